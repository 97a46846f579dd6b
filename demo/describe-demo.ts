// What the demo prints: where everything is, and calls to paste.
import { join, relative } from 'node:path';
import type { DemoPartner } from './onboard.ts';

export interface DemoDescription {
	readonly data: string;
	readonly portBase: number;
	readonly partner: DemoPartner;
	readonly cwd: string;
}

/** Writes the text. Paths are relative to the folder that the demo was started in, where they are shorter. */
export function describeDemo({ data, portBase, partner, cwd }: DemoDescription): string {
	const path = (name: string): string => shellWord(shorter(join(data, name), cwd));
	const gateway = `https://localhost:${portBase}/bank/v1`;
	const identity = `--cacert ${path('ca.pem')} --cert ${path(`demo/${partner.certificateFile}`)} --key ${path(`demo/${partner.keyFile}`)}`;
	const token = `$(curl -s ${identity} https://localhost:${portBase + 1}/oauth2/token -d grant_type=client_credentials -d resource=${partner.resource} | sed 's/.*"access_token":"\\([^"]*\\)".*/\\1/')`;
	// Problem documents end without a line break; `-w` keeps the prompt of the shell off them.
	const call = "curl -s -w '\\n'";
	return `
  gateway               ${gateway}
  authorization server  https://localhost:${portBase + 1}/.well-known/oauth-authorization-server
  admin API             https://localhost:${portBase + 2}/admin/v1
  probes and metrics    http://127.0.0.1:${portBase + 3}/readyz  /livez  /metrics
  demo bank (internal)  https://localhost:${portBase + 4}
  revocation lists      http://localhost:${portBase + 5}/crl/partner-issuing.crl  (OCSP: /ocsp)
  files for programs    ${path('demo/demo.json')}

Get an access token as the demo partner. It lives 300 s and works with this certificate only:

  TOKEN=${token}

A call that succeeds. IBAN, card number and e-mail are masked; what the contract does not name is gone:

  ${call} ${identity} -H "Authorization: Bearer $TOKEN" ${gateway}/accounts/acc-1001

Calls that are refused, each for a reason of its own; the bank sees none of them:

  # 401 the token is good, but its key is not here: a stolen token
  ${call} --cacert ${path('ca.pem')} -H "Authorization: Bearer $TOKEN" ${gateway}/accounts/acc-1001

  # 403 another customer's account
  ${call} ${identity} -H "Authorization: Bearer $TOKEN" ${gateway}/accounts/acc-1015

  # 403 a scope that the token lacks
  ${call} ${identity} -H "Authorization: Bearer $TOKEN" ${gateway}/accounts

  # 422 a body that breaks the API contract
  ${call} ${identity} -H "Authorization: Bearer $TOKEN" -H "Content-Type: application/json" -d '{"debtorAccountId":"acc-1001","amount":-5}' ${gateway}/payments

  # 400 a path that two servers could read in two ways
  ${call} --path-as-is ${identity} -H "Authorization: Bearer $TOKEN" ${gateway}/accounts/../accounts/acc-1001

Watch the ledger, and check that nobody has changed it:

  ./sallyport audit tail --follow --data ${shellWord(shorter(data, cwd))}
  ./sallyport audit verify --data ${shellWord(shorter(data, cwd))}

Take the partner's access away, and watch the next call fail (resume gives it back):

  ./sallyport partner suspend ${partner.id} --data ${shellWord(shorter(data, cwd))}
  ./sallyport partner resume ${partner.id} --data ${shellWord(shorter(data, cwd))}

Ctrl-C stops everything.
`;
}

function shorter(path: string, cwd: string): string {
	const near = relative(cwd, path);
	return near !== '' && near.length < path.length ? near : path;
}

/** Quotes a path for a POSIX shell where it needs it. */
function shellWord(text: string): string {
	return /^[A-Za-z0-9_./@%+,:-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
