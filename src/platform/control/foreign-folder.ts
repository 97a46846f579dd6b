// A data folder belongs to one trust domain for good, and nothing is done in that of another.
import type { Authorities } from '../../domain/certificate/authority.ts';

/** Of an X.520 organization name, which is where the root keeps the trust domain. */
const ORGANIZATION_LENGTH_MAX = 64;

/** A folder keeps the trust domain that it was made with: its certificates and its ledger name it. */
export function refuseForeignFolder(authorities: Authorities, trustDomain: string, dataDirectory: string): void {
	const organization = /^O=(.*)$/m.exec(authorities.root.certificate.subject)?.[1];
	if (organization === trustDomain.slice(0, ORGANIZATION_LENGTH_MAX)) return;
	throw new Error(
		`The data folder ${dataDirectory} belongs to the trust domain ${organization ?? '(unknown)'}, and the configuration ` +
			`says ${trustDomain}. Give a folder of its own with --data.`,
	);
}
