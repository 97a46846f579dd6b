// Lets a client be known by a name in the certificates of its partner's own authority (`tls_client_auth`, RFC 8705 §2.1.2):
// one anchor, one attribute, one exact value. The partner renews these certificates without us.
import { type Fault, fault } from '../../kernel/faults.ts';
import type { TrustAnchorId } from '../../kernel/ids.ts';
import { fail, ok, type Result } from '../../kernel/result.ts';
import type { Registry } from '../registry/registry.ts';
import { anchoredName } from '../trust-anchor/anchored-holder.ts';
import { readAttributeValue, type SubjectAttribute } from '../trust-anchor/subject-names.ts';
import {
	type AddCredentialCommand,
	type AddCredentialDeps,
	type AddedCredential,
	findHolder,
	insertCredential,
	invalidInput,
	newCredential,
} from './add-credential.ts';
import type { AnchoredCertificateCredential } from './credential.ts';

const LIFETIME_SECONDS_MAX = 10 * 365 * 86_400;

export interface AddAnchoredCertificateCommand extends AddCredentialCommand {
	readonly trustAnchorId: TrustAnchorId;
	readonly attribute: SubjectAttribute;
	readonly value: string;
}

/**
 * Adds the credential; it lives as long as the anchor unless a shorter life is asked for. Faults: those of `findHolder`,
 * `newCredential` and `insertCredential`; `conflict` for an anchor of another partner, or one that is revoked, and for a name
 * that another credential has; `input_invalid` for a value that cannot be compared exactly.
 */
export async function addAnchoredCertificate(
	registry: Registry,
	command: AddAnchoredCertificateCommand,
	deps: AddCredentialDeps & { readonly trustDomain: string },
): Promise<Result<AddedCredential<AnchoredCertificateCredential>, Fault>> {
	const { trustAnchorId, attribute } = command;
	const holder = await findHolder(registry, command.clientId, 'anchored-certificate');
	if (!holder.ok) return holder;
	const anchor = await registry.trustAnchors.get(trustAnchorId);
	// SECURITY: an anchor speaks for its own partner alone. src/services/admin/trust-anchor-routes.test.ts
	if (anchor?.status !== 'active' || anchor.partnerId !== holder.value.partnerId) {
		return fail(fault('conflict', 'The partner of the client has no such trust anchor that is active.'));
	}
	const value = readAttributeValue(attribute, command.value);
	if (value === undefined) return fail(invalidInput('#/value', `cannot be compared exactly as a ${attribute}`));
	if (value.startsWith(`spiffe://${deps.trustDomain}/`)) {
		return fail(invalidInput('#/value', 'lies in the trust domain of this platform, which names its clients itself'));
	}
	const leftSeconds = Math.floor((anchor.notAfterMs - deps.clock.nowMs()) / 1000);
	const maxSeconds = Math.min(LIFETIME_SECONDS_MAX, leftSeconds);
	const common = newCredential(holder.value, command, { defaultSeconds: maxSeconds, maxSeconds }, deps);
	if (!common.ok) return common;
	const credential: AnchoredCertificateCredential = {
		...common.value,
		kind: 'anchored-certificate',
		trustAnchorId,
		subjectAttribute: attribute,
		subjectValue: value,
		anchoredName: anchoredName(trustAnchorId, attribute, value),
	};
	const added = await insertCredential(registry, credential, command.overlapSeconds, deps);
	return added.ok ? ok(added.value) : added;
}
