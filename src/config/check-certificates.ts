// What must agree in the settings of certificates.
import { configureProfiles, type ProfileSettings } from '../domain/certificate/profile.ts';
import type { CertificatesInput } from './certificate-schema.ts';
import type { CertificateSettings } from './configuration.ts';
import { type Draft, refuseRepeats } from './draft.ts';

type ProfileInput = CertificatesInput['profiles']['partnerClient'];

/** Checks the settings of certificates, and puts them into the form that the domain takes. */
export function checkCertificates(draft: Draft): CertificateSettings | undefined {
	const { profiles } = draft.input.certificates;
	let isSound = true;
	for (const [name, profile] of Object.entries(profiles)) {
		const path = ['certificates', 'profiles', name];
		refuseRepeats(draft, [...path, 'keys'], profile.keys);
		if (profile.lifetime <= profile.lifetimeMax) continue;
		isSound = false;
		const message = 'the lifetime without a request is longer than the longest one';
		draft.problems.add([...path, 'lifetime'], message, 'Shorten it, or raise lifetimeMax.');
	}
	if (!isSound) return undefined;
	return {
		profiles: configureProfiles({
			'partner-client': settingsOf(profiles.partnerClient),
			server: settingsOf(profiles.server),
			service: settingsOf(profiles.service),
			operator: settingsOf(profiles.operator),
		}),
	};
}

function settingsOf({ keys, rsaBitsMin, lifetime, lifetimeMax }: ProfileInput): ProfileSettings {
	return { keys, rsaBitsMin, lifetimeMsDefault: lifetime, lifetimeMsMax: lifetimeMax };
}
