// The text of a first configuration. It is meant to be read and changed by people, so it is written by hand, comment by
// comment, and not printed from data.
import type { DocumentOperation } from './document-operations.ts';

/** The API that the first configuration exposes. */
export interface InitialApi {
	readonly name: string;
	readonly version: string;
	readonly title: string;
	/** Path of the document, relative to the configuration. */
	readonly document: string;
	readonly upstream: string;
	readonly isInsecure: boolean;
	readonly operations: readonly DocumentOperation[];
}

/** Names that the owner can give. */
export interface InitialNames {
	readonly hostName: string;
	readonly trustDomain: string;
}

type Access = 'read' | 'write';

/** Writes the YAML. Operations in `leftOut` (by id, with the reason) become comments. */
export function writeInitialYaml(api: InitialApi, names: InitialNames, leftOut: ReadonlyMap<string, string>): string {
	const operations = [...new Map(api.operations.map((operation) => [operation.id, operation])).values()];
	const exposed = operations.filter(({ id }) => !leftOut.has(id));
	const accesses = (['read', 'write'] as const).filter((access) => exposed.some((one) => accessOf(one) === access));
	return [
		...writeHead(names),
		'# What is exposed. Operations of the document that are not listed here do not exist for partners.',
		'apis:',
		`  ${api.name}:`,
		`    version: ${api.version}`,
		`    title: ${quote(api.title)}`,
		`    document: ${quote(api.document)}`,
		`    basePath: /${api.name}/${api.version}`,
		'    upstream:',
		'      # The path of this URL is put before the path of each operation.',
		`      url: ${quote(api.upstream)}`,
		...(api.isInsecure
			? ['      # WARNING: clear text. Use https as soon as the service can.', '      insecure: true']
			: []),
		'      # Without these, the service must show a certificate of the CA of the platform.',
		'      # caFile: ./upstream-ca.pem',
		'    # Hides parts of every response, wherever they stand: remove, redact, last4, pan, iban, email.',
		'    # masks: [{ path: $..iban, method: iban }]',
		'    operations:',
		'      # resources: [] checks nothing beyond the scopes. Restrict each operation to what was granted to the',
		'      # subscription, as the comment beside it shows.',
		...operations.flatMap((operation) => writeOperation(api, operation, leftOut.get(operation.id))),
		'',
		'# What clients subscribe to.',
		exposed.length === 0 ? 'products: {}' : 'products:',
		...accesses.flatMap((access) => writeProduct(api, exposed, access)),
		'',
		...writePlans(),
	].join('\n');
}

function writeHead({ hostName, trustDomain }: InitialNames): readonly string[] {
	return [
		'# Configuration of Sallyport. Check it with: ./sallyport config check FILE',
		'# Every key is explained in docs/configuration.md.',
		'sallyport: 1',
		'',
		'# Part of the identity in every certificate. Choose it before the first one is issued, and never change it.',
		`trustDomain: ${quote(trustDomain)}`,
		'',
		'# The authorization server as tokens name it.',
		`issuer: ${quote(`https://${hostName}:8444`)}`,
		'',
		'listeners:',
		`  gateway: { host: 0.0.0.0, port: 8443, names: [${quote(hostName)}] }`,
		`  authorizationServer: { host: 0.0.0.0, port: 8444, names: [${quote(hostName)}] }`,
		'  # These two are not for partners.',
		'  admin: { host: 127.0.0.1, port: 8445, names: [localhost] }',
		'  private: { host: 127.0.0.1, port: 8446 }',
		'',
	];
}

function writeOperation(api: InitialApi, operation: DocumentOperation, reason: string | undefined): readonly string[] {
	const title = `      # ${operation.methodKey.toUpperCase()} ${oneLine(operation.path)}`;
	if (reason !== undefined) return [title, `      # ${quote(operation.id)} is left out: ${oneLine(reason)}`];
	return [
		title,
		`      ${quote(operation.id)}:`,
		'        authentication: mtls',
		`        scopes: [${quote(scopeOf(api, accessOf(operation)))}]`,
		`        resources: []${restrictionHint(operation)}`,
	];
}

/** Shows how the operation is restricted to granted resources, by its last path parameter. */
function restrictionHint(operation: DocumentOperation): string {
	const name = operation.parameters.findLast((parameter) => parameter.in === 'path')?.name;
	if (name === undefined || !/^[A-Za-z0-9_-]+$/.test(name)) return '';
	const type = name
		.replace(/[_-]?s?id$/i, '')
		.replaceAll(/([a-z0-9])([A-Z])/g, '$1-$2')
		.replaceAll('_', '-')
		.toLowerCase();
	return ` # to restrict: [{ type: ${/^[a-z][a-z0-9-]{0,62}$/.test(type) ? type : 'resource'}, from: path.${name} }]`;
}

function writeProduct(api: InitialApi, exposed: readonly DocumentOperation[], access: Access): readonly string[] {
	const verb = access === 'read' ? 'Read' : 'Change';
	return [
		`  ${api.name.slice(0, 57)}-${access}:`,
		`    title: ${quote(`${verb}: ${api.title}`)}`,
		`    scopes: [${quote(scopeOf(api, access))}]`,
		'    operations:',
		...exposed
			.filter((operation) => accessOf(operation) === access)
			.map(({ id }) => `      - ${quote(`${api.name}/${api.version}/${id}`)}`),
	];
}

function writePlans(): readonly string[] {
	return [
		'# How much a subscription may use.',
		'plans:',
		'  standard:',
		'    title: Standard',
		'    tokenTtl: 300s',
		'    limits:',
		'      - { name: burst, requests: 100, window: 1m, per: client }',
		'      - { name: sustained, requests: 3000, window: 1h, per: subscription }',
		'',
	];
}

function accessOf(operation: DocumentOperation): Access {
	return operation.method === 'GET' || operation.method === 'HEAD' ? 'read' : 'write';
}

function scopeOf(api: InitialApi, access: Access): string {
	return `${api.name}:${access}`;
}

/** Writes a text so that YAML reads exactly this text: plain where it is harmless, else quoted. JSON strings are YAML. */
function quote(text: string): string {
	const isPlain = /^[A-Za-z./][A-Za-z0-9_./-]*(?::[A-Za-z0-9_/.-]+)*$/.test(text);
	return isPlain && !/^(?:true|false|null|yes|no|on|off|\.(?:inf|nan))$/i.test(text) ? text : JSON.stringify(text);
}

function oneLine(text: string): string {
	return text.replaceAll(/\p{Cc}+/gu, ' ').slice(0, 300);
}
