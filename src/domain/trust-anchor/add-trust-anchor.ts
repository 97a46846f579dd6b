// Takes the authority of a partner's own as a trust anchor, and takes it back. Runs inside a transaction of the registry: the
// caller commits, publishes the sequence (then every thread decides by it) and records.
import type { Clock } from '../../kernel/clock.ts';
import { fault, type Fault } from '../../kernel/faults.ts';
import { newId, type OperatorId, type PartnerId, type TrustAnchorId } from '../../kernel/ids.ts';
import type { Random } from '../../kernel/random.ts';
import { fail, ok, type Result } from '../../kernel/result.ts';
import { decodeBase64 } from '../certificate/pem.ts';
import { parseCertificate, type ParsedCertificate } from '../certificate/x509-parse.ts';
import { type Changed, checkRevision } from '../registry/commit-change.ts';
import { parseDisplayName } from '../registry/display-name.ts';
import type { Registry } from '../registry/registry.ts';
import { StoreConflict } from '../registry/store-conflict.ts';
import { readIssuer } from './chain-rules.ts';
import { isSignedBy, type IssuingKey } from './chain-signature.ts';
import { formatName, readName } from './distinguished-name.ts';
import { type RevocationRule, TRUST_ANCHOR_BOUNDS, type TrustAnchor } from './trust-anchor.ts';

export interface AddTrustAnchorCommand {
	readonly partnerId: PartnerId;
	readonly name: string;
	/** One certificate, PEM. */
	readonly certificate: string;
	/** Certificates of authorities below it, PEM, one each. */
	readonly intermediates: readonly string[];
	readonly revocation: RevocationRule;
	readonly listUrls: readonly string[];
	readonly addedBy: OperatorId;
}

export interface AddTrustAnchorDeps {
	readonly clock: Clock;
	readonly random: Random;
	/** Hashes (base64url SHA-256 of the SubjectPublicKeyInfo) of the platform's own authorities. */
	readonly ownKeyHashes: () => ReadonlySet<string>;
}

const URL_LENGTH_MAX = 2048;

/**
 * Adds a trust anchor. Faults: `not_found`; `conflict` for an offboarded partner, when there are too many, or when the key is
 * trusted already, for this partner or for another one; `input_invalid` for everything that does not fit.
 */
export async function addTrustAnchor(
	registry: Registry,
	command: AddTrustAnchorCommand,
	deps: AddTrustAnchorDeps,
): Promise<Result<Changed<TrustAnchor>, Fault>> {
	const partner = await registry.partners.get(command.partnerId);
	if (partner === undefined) return fail(fault('not_found', 'There is no such partner.'));
	if (partner.status === 'offboarded') {
		return fail(fault('conflict', 'The partner is offboarded, and nothing is trusted for it.'));
	}
	const name = parseDisplayName(command.name);
	if (!name.ok) return name;
	const read = readAnchor(command, deps.clock.nowMs());
	if (!read.ok) return read;
	const { der, parsed, key } = read.value;
	const refused = await judgeKey(registry, command.partnerId, key.hash, deps);
	if (refused !== undefined) return fail(refused);
	const nowMs = deps.clock.nowMs();
	const record: TrustAnchor = {
		id: newId('anc', deps.clock, deps.random),
		partnerId: command.partnerId,
		name: name.value,
		certificate: der.toString('base64'),
		publicKeyHash: key.hash,
		subject: formatName(readName(parsed.tbs.subject) ?? []),
		intermediates: read.value.intermediates.map((one) => one.toString('base64')),
		revocation: command.revocation,
		listUrls: command.listUrls,
		status: 'active',
		notBeforeMs: parsed.tbs.notBeforeMs,
		notAfterMs: parsed.tbs.notAfterMs,
		addedBy: command.addedBy,
		createdAtMs: nowMs,
		updatedAtMs: nowMs,
		revision: 1,
	};
	try {
		await registry.trustAnchors.insert(record);
	} catch (error) {
		if (!(error instanceof StoreConflict)) throw error;
		return fail(fault('conflict', KEY_IN_USE, { internal: error.message }));
	}
	return ok({ record, sequence: await registry.changes.append({ kind: 'trust-anchor', record }), changed: true });
}

const KEY_IN_USE =
	'The key of this authority is trusted already. An authority belongs to one partner, and is added once.';

async function judgeKey(
	registry: Registry,
	partnerId: PartnerId,
	hash: string,
	deps: AddTrustAnchorDeps,
): Promise<Fault | undefined> {
	if (deps.ownKeyHashes().has(hash)) {
		return fault('conflict', 'This is an authority of the platform itself. It is trusted without being added.');
	}
	if ((await registry.compromisedKeys.find(hash)) !== undefined) {
		return fault('key_rejected', 'This key is known to be compromised. The partner needs a new authority.');
	}
	// SECURITY: an authority that spoke for two partners would let each of them speak for the other.
	// src/services/admin/trust-anchor-routes.test.ts
	if ((await registry.trustAnchors.findActiveByKey(hash)) !== undefined) return fault('conflict', KEY_IN_USE);
	const { items } = await registry.trustAnchors.list({ limit: 200 }, { partnerId });
	if (items.filter(({ status }) => status === 'active').length >= TRUST_ANCHOR_BOUNDS.activeMax) {
		const most = `The partner has ${TRUST_ANCHOR_BOUNDS.activeMax} trust anchors already.`;
		return fault('conflict', `${most} Revoke one that is not needed any more.`);
	}
	return undefined;
}

interface ReadAnchor {
	readonly der: Buffer;
	readonly parsed: ParsedCertificate;
	readonly key: IssuingKey;
	readonly intermediates: readonly Buffer[];
}

function readAnchor(command: AddTrustAnchorCommand, nowMs: number): Result<ReadAnchor, Fault> {
	const anchor = readPem(command.certificate);
	if (anchor === undefined) return invalid('#/certificate', 'must be one X.509 version 3 certificate in PEM');
	const rules = readIssuer(anchor.parsed.tbs, true);
	if (!rules.ok) return invalid('#/certificate', `cannot be a trust anchor: ${rules.fault}`);
	if (nowMs >= anchor.parsed.tbs.notAfterMs) return invalid('#/certificate', 'has expired');
	if (command.intermediates.length > TRUST_ANCHOR_BOUNDS.intermediatesMax) {
		return invalid('#/intermediates', `must be at most ${TRUST_ANCHOR_BOUNDS.intermediatesMax}`);
	}
	const keys: { readonly subject: Buffer; readonly key: IssuingKey }[] = [
		{ subject: anchor.parsed.tbs.subject, key: rules.value.key },
	];
	const intermediates: Buffer[] = [];
	for (const [index, pem] of command.intermediates.entries()) {
		const link = readPem(pem);
		const below = link && readIssuer(link.parsed.tbs, false);
		if (link === undefined || below?.ok !== true) {
			return invalid(
				`#/intermediates/${index}`,
				`must be the certificate of an authority: ${below?.ok === false ? below.fault : 'it cannot be read'}`,
			);
		}
		const { tbs, signed, signature } = link.parsed;
		const isBelow = keys.some(
			({ subject, key }) => subject.equals(tbs.issuer) && isSignedBy(key, tbs.signatureAlgorithm, signed, signature),
		);
		if (!isBelow) return invalid(`#/intermediates/${index}`, 'must be signed by the anchor, or by one before it');
		keys.push({ subject: tbs.subject, key: below.value.key });
		intermediates.push(link.der);
	}
	const refused = judgeUrls(command);
	return refused === undefined ? ok({ ...anchor, key: rules.value.key, intermediates }) : refused;
}

function judgeUrls({ listUrls, revocation }: AddTrustAnchorCommand): Result<never, Fault> | undefined {
	if (listUrls.length > TRUST_ANCHOR_BOUNDS.listUrlsMax) {
		return invalid('#/listUrls', `must be at most ${TRUST_ANCHOR_BOUNDS.listUrlsMax}`);
	}
	if (listUrls.length > 0 && revocation === 'none') {
		return invalid('#/listUrls', 'has no meaning where revocation is none');
	}
	for (const [index, text] of listUrls.entries()) {
		const url = text.length > URL_LENGTH_MAX ? null : URL.parse(text);
		const isFit =
			url !== null &&
			(url.protocol === 'http:' || url.protocol === 'https:') &&
			url.username === '' &&
			url.password === '' &&
			!text.includes('#');
		if (!isFit) return invalid(`#/listUrls/${index}`, 'must be an http or https URL without user and fragment');
	}
	return undefined;
}

function readPem(pem: string): { readonly der: Buffer; readonly parsed: ParsedCertificate } | undefined {
	const body = /^\s*-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----\s*$/.exec(pem)?.[1];
	const der = body === undefined ? undefined : decodeBase64(body);
	const parsed = der === undefined ? undefined : parseCertificate(der);
	return der === undefined || parsed === undefined ? undefined : { der, parsed };
}

function invalid(pointer: string, detail: string): { readonly ok: false; readonly fault: Fault } {
	return fail(
		fault('input_invalid', 'The trust anchor cannot be added as asked.', {
			members: { errors: [{ pointer, detail }] },
		}),
	);
}

export interface RevokeTrustAnchorCommand {
	readonly trustAnchorId: TrustAnchorId;
	readonly reason: string;
	readonly expectedRevision?: number | undefined;
}

/**
 * Takes an anchor back for good: nothing below it is trusted any more, from the next request on. Idempotent.
 * Faults: `not_found`, `revision_mismatch`.
 */
export async function revokeTrustAnchor(
	registry: Registry,
	{ trustAnchorId, reason, expectedRevision }: RevokeTrustAnchorCommand,
	{ clock }: { readonly clock: Clock },
): Promise<Result<Changed<TrustAnchor>, Fault>> {
	const anchor = await registry.trustAnchors.get(trustAnchorId);
	if (anchor === undefined) return fail(fault('not_found', 'There is no such trust anchor.'));
	const outdated = checkRevision(anchor, expectedRevision);
	if (outdated !== undefined) return fail(outdated);
	if (anchor.status === 'revoked') {
		return ok({ record: anchor, sequence: await registry.changes.latest(), changed: false });
	}
	const nowMs = clock.nowMs();
	const record: TrustAnchor = {
		...anchor,
		status: 'revoked',
		revokedAtMs: nowMs,
		revocationReason: reason,
		updatedAtMs: nowMs,
		revision: anchor.revision + 1,
	};
	await registry.trustAnchors.update(record, anchor.revision);
	return ok({ record, sequence: await registry.changes.append({ kind: 'trust-anchor', record }), changed: true });
}
