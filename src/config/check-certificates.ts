// What must agree in the settings of certificates.
import { configureProfiles, type ProfileSettings } from '../domain/certificate/profile.ts';
import type { CertificatesInput } from './certificate-schema.ts';
import type { CertificateSettings } from './configuration.ts';
import { type Draft, refuseRepeats } from './draft.ts';

type ProfileInput = CertificatesInput['profiles']['partnerClient'];

/** Checks the settings of certificates, and puts them into the form that the domain takes. */
export function checkCertificates(draft: Draft): CertificateSettings | undefined {
	const { profiles, revocation } = draft.input.certificates;
	let isSound = refuseUnpublished(draft);
	for (const [name, profile] of Object.entries(profiles)) {
		const path = ['certificates', 'profiles', name];
		refuseRepeats(draft, [...path, 'keys'], profile.keys);
		if (name !== 'partnerClient' && !profile.keys.includes('P-256')) {
			isSound = false;
			const message = 'the platform itself uses P-256 keys for such certificates';
			draft.problems.add([...path, 'keys'], message, 'Add P-256.');
		}
		if (profile.lifetime <= profile.lifetimeMax) continue;
		isSound = false;
		const message = 'the lifetime without a request is longer than the longest one';
		draft.problems.add([...path, 'lifetime'], message, 'Shorten it, or raise lifetimeMax.');
	}
	if (!isSound) return undefined;
	const { publicUrl, crlLifetime, ocspLifetime, unknownSerial } = revocation;
	const { afterPercent, grace, overlap, perDay } = draft.input.certificates.renewal;
	const { listRefresh, listNetworks } = draft.input.certificates.partnerAuthorities;
	return {
		profiles: configureProfiles({
			'partner-client': settingsOf(profiles.partnerClient),
			server: settingsOf(profiles.server),
			service: settingsOf(profiles.service),
			operator: settingsOf(profiles.operator),
		}),
		revocation: {
			...(publicUrl === undefined ? undefined : { publicUrl }),
			crlLifetimeMs: crlLifetime,
			ocspLifetimeMs: ocspLifetime,
			unknownSerial,
		},
		renewal: { afterPercent, graceMs: grace, overlapMs: overlap, perDay },
		partnerAuthorities: { listRefreshMs: listRefresh, listNetworks },
	};
}

/** An address in certificates that nobody serves would make relying parties refuse them, or accept what is revoked. */
function refuseUnpublished(draft: Draft): boolean {
	const isNamed = draft.input.certificates.revocation.publicUrl !== undefined;
	const isServed = draft.input.listeners.pki !== undefined;
	if (isNamed === isServed) return true;
	const [path, message, remedy] = isNamed
		? [['certificates', 'revocation', 'publicUrl'], 'no listener serves this address', 'Add listeners.pki.']
		: [['listeners', 'pki'], 'no certificate would name this listener', 'Set certificates.revocation.publicUrl.'];
	draft.problems.add(path as string[], message as string, remedy as string);
	return false;
}

function settingsOf({ keys, rsaBitsMin, lifetime, lifetimeMax }: ProfileInput): ProfileSettings {
	return { keys, rsaBitsMin, lifetimeMsDefault: lifetime, lifetimeMsMax: lifetimeMax };
}
