// What an operator sees of every mistake that we know of: place, message and remedy.
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import {
	CONFIGURATION_YAML,
	createConfigurationFolder,
	replaceOnce,
	takeMark,
} from '../../test/fixture/configuration-folder.ts';
import { formatProblem } from './config-problem.ts';
import { loadConfigurationText } from './load-configuration.ts';

const folder = createConfigurationFolder(after);

/** One thing that is wrong: what is replaced by what (`«` = where the problem is), path, message, remedy. */
type Golden = readonly [from: string, to: string, path: string, message: string, remedy: string | RegExp];

const GOLDEN: Readonly<Record<string, readonly Golden[]>> = {
	'unknown and missing keys': [
		['gateway:\n  threads', '«gatewya:\n  threads', 'gatewya', 'unknown key "gatewya"', 'Did you mean "gateway"?'],
		['port: 8446 }', 'port: 8446, «prot: 1 }', 'listeners.private.prot', 'unknown key "prot"', 'Did you mean "port"?'],
		[
			'        audit: durable',
			'        «audits: durable',
			'apis.bank.operations.createPayment.audits',
			'unknown key "audits"',
			'Did you mean "audit"?',
		],
		[
			'method: iban }',
			'method: iban, «xyzzy: 1 }',
			'apis.bank.masks[0].xyzzy',
			'unknown key "xyzzy"',
			'Use one of: path, method.',
		],
		[
			'window: 1m }',
			'window: 1m, «<<: { per: client } }',
			'plans.standard.limits[0]["<<"]',
			'unknown key "<<"',
			/^Use one of: /,
		],
		['    version: v1\n', '', 'apis.bank.version', '"version" is missing', 'Version of the API, such as `v1`.'],
		['sallyport: 1\n', '', 'sallyport', '"sallyport" is missing', 'Version of this format: 1.'],
		['sallyport: 1', 'sallyport: «2', 'sallyport', 'this value is not known', 'Use one of: 1.'],
	],
	'operations without an explicit decision': [
		[
			'      listAccounts:\n        authentication: mtls\n',
			'      «listAccounts:\n',
			'apis.bank.operations.listAccounts.authentication',
			'"authentication" is missing',
			/^Required: how the caller proves who it is/,
		],
		[
			'        scopes: [accounts:list]\n',
			'',
			'apis.bank.operations.listAccounts.scopes',
			'"scopes" is missing',
			/^Required, at least one/,
		],
		[
			'        scopes: [accounts:list]',
			'        scopes: «[]',
			'apis.bank.operations.listAccounts.scopes',
			'at least 1 item(s) are expected',
			/^Required, at least one/,
		],
		[
			'        resources: []\n',
			'',
			'apis.bank.operations.listAccounts.resources',
			'"resources" is missing',
			/^Required: the resources/,
		],
		[
			'resources: []',
			'«resources:',
			'apis.bank.operations.listAccounts.resources',
			'a list is expected, and this is empty',
			/^Required: the resources/,
		],
		[
			'listAccounts:\n        authentication: mtls',
			'listAccounts:\n        authentication: «none',
			'apis.bank.operations.listAccounts.authentication',
			'this value is not known',
			'Use one of: mtls, dpop, bound, bearer.',
		],
	],
	'values of the wrong kind': [
		[
			'trustDomain: bank.example',
			'trustDomain: «Bank.example',
			'trustDomain',
			'a trust domain is written in lower case, like a domain name',
			/bank\.example/,
		],
		[
			'issuer: https://localhost:8444',
			'issuer: «http://localhost:8444',
			'issuer',
			'this is no https URL',
			'Write it as https://host[:port][/path].',
		],
		[
			'issuer: https://localhost:8444',
			'issuer: «https://localhost:8444/',
			'issuer',
			'this URL is not in its canonical form',
			'Write https://localhost:8444',
		],
		[
			'issuer: https://localhost:8444',
			'issuer: «https://localhost:8444?a',
			'issuer',
			'a URL here has no query and no fragment',
			/Remove/,
		],
		[
			'issuer: https://localhost:8444',
			'issuer: «https://a:b@localhost:8444',
			'issuer',
			'a URL here holds no user and no password',
			/Remove/,
		],
		[
			'version: v1',
			'version: «1',
			'apis.bank.version',
			'a text is expected, and this is a number',
			/^Version of the API/,
		],
		['threads: 2', 'threads: «65', 'gateway.threads', 'at most 64 is expected', /^Threads of the gateway/],
		['port: 8446', 'port: «99999', 'listeners.private.port', 'at most 65535 is expected', /^TCP port/],
		[
			'    document: ./bank.yaml',
			'    document: ./bank.yaml\n    cors: { origins: [«"*"] }',
			'apis.bank.cors.origins[0]',
			'there are no wildcards for origins: any page of the internet, or of a subdomain, could call',
			/^List each origin/,
		],
		[
			'    document: ./bank.yaml',
			'    document: ./bank.yaml\n    cors: { origins: [«"https://*.partner.example"], credentials: true }',
			'apis.bank.cors.origins[0]',
			'there are no wildcards for origins: any page of the internet, or of a subdomain, could call',
			/^List each origin/,
		],
		[
			'    document: ./bank.yaml',
			'    document: ./bank.yaml\n    cors: { origins: [«"null"], credentials: true }',
			'apis.bank.cors.origins[0]',
			'"null" is the origin of files and sandboxed frames, which anybody can make',
			/^List the origin/,
		],
		[
			'    document: ./bank.yaml',
			'    document: ./bank.yaml\n    cors: { origins: [«https://app.partner.example/] }',
			'apis.bank.cors.origins[0]',
			'this is no origin as browsers write it',
			/no final slash/,
		],
		[
			'    document: ./bank.yaml',
			'    document: ./bank.yaml\n    cors: { origins: [«http://app.partner.example] }',
			'apis.bank.cors.origins[0]',
			'this is no origin as browsers write it',
			/http is for localhost alone/,
		],
		[
			'port: 8443',
			'port: 8443, allow: [«10.1.2.3/8]',
			'listeners.gateway.allow[0]',
			'this is no network',
			/bits beyond the prefix are zero/,
		],
		[
			'port: 8443',
			'port: 8443, proxyProtocol: { from: [«0.0.0.0/0] }',
			'listeners.gateway.proxyProtocol.from[0]',
			'hops that are believed cannot be half of the internet: anybody could name any address',
			/^Write the addresses of the load balancers/,
		],
		[
			'port: 8443',
			'port: 8443, trustedHops: { from: [10.0.0.0/24], field: «x-real-ip }',
			'listeners.gateway.trustedHops.field',
			'this value is not known',
			'Use one of: forwarded, x-forwarded-for.',
		],
		[
			'requestBodyMax: 4KiB',
			'requestBodyMax: «4096',
			'apis.bank.operations.createPayment.requestBodyMax',
			'a text is expected, and this is a number',
			/^Largest request body/,
		],
		[
			'requestBodyMax: 4KiB',
			'requestBodyMax: «4kb',
			'apis.bank.operations.createPayment.requestBodyMax',
			'a size is a number with a unit: 512B, 64KiB, 1MiB or 2GiB',
			'Write a value from 0B to 16MiB.',
		],
		[
			'requestBodyMax: 4KiB',
			'requestBodyMax: «1GiB',
			'apis.bank.operations.createPayment.requestBodyMax',
			'1GiB is outside of 0B … 16MiB',
			'Write a value from 0B to 16MiB.',
		],
		[
			'window: 1m',
			'window: «60',
			'plans.standard.limits[0].window',
			'a text is expected, and this is a number',
			/^Length of the window/,
		],
		[
			'window: 1m',
			'window: «1500ms',
			'plans.standard.limits[0].window',
			'this duration is counted in whole seconds',
			'Write 2s.',
		],
		[
			'    title: Standard\n',
			'    title: Standard\n    tokenTtl: «2h\n',
			'plans.standard.tokenTtl',
			'2h is outside of 30s … 1h',
			'Write a value from 30s to 1h.',
		],
		[
			'scopes: [payments:write]\n    op',
			'scopes: [«"payments write"]\n    op',
			'products.pay.scopes[0]',
			'a scope has no spaces, quotes or backslashes',
			/accounts:read/,
		],
		[
			'document: ./bank.yaml',
			'document: «https://bank.example/openapi.yaml',
			'apis.bank.document',
			'files are not fetched over a network',
			/^Save the file/,
		],
		[
			'  bank:\n',
			'  «Bank:\n',
			'apis.Bank',
			'the name of an API begins with a lower-case letter and goes on in a-z, 0-9 and "-"',
			/^Write it as/,
		],
		[
			'names: [localhost] }\n  admin',
			'names: [«"*.bank.example"] }\n  admin',
			'listeners.authorizationServer.names[0]',
			'a name is a host name in lower case, without a port',
			/^Write the host/,
		],
		[
			'    document: ./bank.yaml',
			'    document: ./bank.yaml\n    basePath: «/bank/../v1',
			'apis.bank.basePath',
			'a base path is made of plain segments and does not end in a slash',
			/^Write it as/,
		],
	],
	'YAML that could be read in two ways': [
		[
			'trustDomain: bank.example',
			'trustDomain: bank.example\n«trustDomain: evil.example',
			'trustDomain',
			'the key "trustDomain" is already at line 2',
			'Keep one of the two.',
		],
		[
			'      createPayment:',
			'      «getAccount:',
			'apis.bank.operations.getAccount',
			'the key "getAccount" is already at line 24',
			'Keep one of the two.',
		],
		[
			'[accounts:list]',
			'&a «[accounts:list]',
			'apis.bank.operations.listAccounts.scopes',
			'anchors and aliases are not used here',
			/^Write the value out/,
		],
		['threads: 2', 'threads: !!int «"2"', 'gateway.threads', 'tags are not used here', /^Remove the tag/],
		['sallyport: 1', '«%YAML 1.1\n---\nsallyport: 1', '', 'directives are not used here', /^Remove the lines/],
		['plans:\n', '«---\nplans:\n', '', 'a second document begins here; the file holds one', /^Mend the YAML/],
		[
			'products:\n',
			'«__proto__: { polluted: true }\nproducts:\n',
			'__proto__',
			'the key "__proto__" is reserved',
			'Choose another name.',
		],
		[
			'  standard:\n',
			'  «constructor:\n',
			'plans.constructor',
			'the key "constructor" is reserved',
			'Choose another name.',
		],
		['  read:\n', '  «prototype:\n', 'products.prototype', 'the key "prototype" is reserved', 'Choose another name.'],
		['sallyport: 1', 'sallyport: 1\n«\ttab: 1', '', 'tabs are not allowed as indentation', /^Mend the YAML/],
	],
	'parts that do not agree': [
		[
			'port: 8445',
			'port: «8443',
			'listeners.admin.port',
			'port 8443 is taken by listeners.gateway',
			'Give each listener a port of its own.',
		],
		[
			'issuer: https://localhost:8444',
			'issuer: «https://tokens.bank.example',
			'issuer',
			'the host tokens.bank.example is not among the names of the authorization server',
			/listeners\.authorizationServer\.names/,
		],
		[
			'      getAccount:\n',
			'      «getAcount:\n',
			'apis.bank.operations.getAcount',
			'the document has no operation "getAcount"',
			'Did you mean "getAccount"?',
		],
		[
			'      getAccount:\n',
			'      «twin:\n',
			'apis.bank.operations.twin',
			'the document has two operations "twin": GET /twins/a and GET /twins/b',
			/operationId of its own/,
		],
		[
			'      getAccount:\n',
			'      «tracePayments:\n',
			'apis.bank.operations.tracePayments',
			'the gateway does not serve the method TRACE',
			'Remove the operation here.',
		],
		[
			'      listAccounts:\n',
			'      «getReport:\n',
			'apis.bank.operations.getReport',
			'the document does not declare the path parameter "year" (bank.yaml#/paths/~1reports~1{year}/get)',
			/^Declare it there/,
		],
		[
			'from: path.accountId',
			'from: «path.accountID',
			'apis.bank.operations.getAccount.resources[0].from',
			'the operation has no path parameter "accountID"',
			'Did you mean "accountId"?',
		],
		[
			'from: path.accountId',
			'from: «query.accountId',
			'apis.bank.operations.getAccount.resources[0].from',
			'the operation has no query parameter "accountId"',
			/^There is no query parameter/,
		],
		[
			'from: path.accountId',
			'from: «body.$.id',
			'apis.bank.operations.getAccount.resources[0].from',
			'the operation has no request body',
			/^Take the resource/,
		],
		[
			'from: path.accountId',
			'from: «header.account',
			'apis.bank.operations.getAccount.resources[0].from',
			'"header.account" is no place of a request',
			/^Write path\./,
		],
		[
			'method: iban }',
			'method: iban }\n      - { path: «"$[?@.a]", method: remove }',
			'apis.bank.masks[1].path',
			'',
			/^Use names, indexes/,
		],
		['document: ./bank.yaml', 'document: «./missing.yaml', 'apis.bank.document', '', /^Correct the path/],
		[
			'url: https://localhost:9443/core',
			'url: «http://localhost:9443/core',
			'apis.bank.upstream.url',
			'the upstream is not reached over TLS',
			/insecure: true/,
		],
		[
			'url: https://localhost:9443/core',
			'url: http://localhost:9443/core\n      insecure: true\n      http2: «{}',
			'apis.bank.upstream.http2',
			'HTTP/2 is agreed on within TLS',
			/https URL/,
		],
		[
			'url: https://localhost:9443/core',
			'url: https://localhost:9443/core\n      http2: { streamsPerConnection: «0 }',
			'apis.bank.upstream.http2.streamsPerConnection',
			'',
			/./,
		],
		[
			'from: path.accountId }]',
			'from: path.accountId }]\n        stream: { kind: «request }',
			'apis.bank.operations.getAccount.stream.kind',
			'a GET request has no body to stream',
			'Write kind: response.',
		],
		[
			'from: path.accountId }]',
			'from: path.accountId }]\n        stream: { kind: «response }',
			'apis.bank.operations.getAccount.stream.kind',
			'a response that streams cannot be masked',
			/API without masks/,
		],
		[
			'url: https://localhost:9443/core',
			'url: «https://[::ffff:169.254.169.254]/core',
			'apis.bank.upstream.url',
			'no internal service has this address',
			/metadata/,
		],
		[
			'scopes: [payments:write]\n        res',
			'scopes: [«payments:wirte, payments:write]\n        res',
			'apis.bank.operations.createPayment.scopes[0]',
			'no product has the scope "payments:wirte"',
			/^Did you mean "payments:write"\?/,
		],
		[
			'scopes: [accounts:read, ',
			'scopes: [accounts:read, «accounts:raed, ',
			'products.read.scopes[1]',
			'no operation demands the scope "accounts:raed"',
			'Did you mean "accounts:read"?',
		],
		[
			'[bank/v1/createPayment]',
			'[bank/v1/createPayment, «bank/v2/createPayment]',
			'products.pay.operations[1]',
			'there is no operation "bank/v2/createPayment"',
			'Did you mean "bank/v1/createPayment"?',
		],
		[
			'[bank/v1/createPayment]',
			'[bank/v1/createPayment, «bank/v1/getAccount]',
			'products.pay.operations[1]',
			'the operation demands the scope "accounts:read", which the product does not have',
			/^Add the scope/,
		],
		[
			'[bank/v1/createPayment]',
			'[bank/v1/createPayment, «bank/v1/createPayment]',
			'products.pay.operations[1]',
			'"bank/v1/createPayment" is listed twice',
			'Remove one of the two.',
		],
		[
			'issuer: https://localhost:8444',
			'issuer: https://localhost:8444\nsources: { blockMin: 1m, blockMax: «30s }',
			'sources.blockMax',
			'the longest time is shorter than the first one',
			'Write blockMax at least as long as blockMin.',
		],
		['name: sustained', 'name: burst', 'plans.standard.limits[1]', '"burst" is listed twice', 'Remove one of the two.'],
		[
			'    document: ./bank.yaml',
			'    document: ./bank.yaml\n    resource: «https://localhost:8444',
			'apis.bank.resource',
			'the resource is the issuer itself',
			/^Give the API/,
		],
	],
};

/** Where a problem of something that is missing is expected: at the key that it is missing from. */
const MISSING_FROM: Readonly<Record<string, readonly [number, number]>> = {
	'    version: v1\n': [12, 3],
	'sallyport: 1\n': [1, 1],
	'        scopes: [accounts:list]\n': [20, 7],
	'        resources: []\n': [20, 7],
	'name: sustained': [48, 9],
};

for (const [group, cases] of Object.entries(GOLDEN)) {
	describe(`refuses ${group}`, () => {
		for (const [from, to, path, message, remedy] of cases) {
			test(JSON.stringify(to || `without ${from}`), async () => {
				const changed = replaceOnce(CONFIGURATION_YAML, from, to);
				const place = MISSING_FROM[from];
				const { text, line, column } =
					place === undefined ? takeMark(changed) : { text: changed, line: place[0], column: place[1] };
				const loaded = await loadConfigurationText(text, folder.file);
				assert.ok(!loaded.ok, 'the configuration loads');
				const shown = loaded.fault.map(formatProblem).join('\n');
				const problem = loaded.fault.find((one) => one.line === line && one.column === column);
				assert.ok(problem, `no problem at ${line}:${column}, but:\n${shown}`);
				assert.equal(problem.file, folder.file);
				assert.equal(problem.path, path);
				if (message !== '') assert.equal(problem.message, message);
				if (typeof remedy === 'string') assert.equal(problem.remedy, remedy);
				else assert.match(problem.remedy, remedy);
			});
		}
	});
}
