// Measures the partner CA at the size of a large platform: issuing, finding certificates, a revocation list, OCSP. Everything
// runs through the same functions and the same SQLite store as the platform, in one thread; all times are its processor time.
import { createHash, generateKeyPairSync, sign } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openLocalSigner } from '../src/adapters/keys/local-signer.ts';
import { openMemoryStore } from '../src/adapters/store/memory/open-memory-store.ts';
import { openStoreFile } from '../src/adapters/store/sqlite/sqlite-fixture.ts';
import { loadOrCreateAuthorities } from '../src/domain/certificate/authority.ts';
import type { Certificate } from '../src/domain/certificate/certificate.ts';
import { certificateRecord } from '../src/domain/certificate/certificate-record.ts';
import { issueCertificate } from '../src/domain/certificate/issue-certificate.ts';
import { OcspResponder } from '../src/domain/certificate/ocsp-responder.ts';
import { publicKeyBits, subjectPublicKeyOf } from '../src/domain/certificate/public-key.ts';
import {
	encodeRevocationList,
	encodeSignedList,
	type RevocationEntry,
} from '../src/domain/certificate/revocation-list.ts';
import { formatSpiffeId } from '../src/domain/certificate/spiffe-id.ts';
import { parseCertificate } from '../src/domain/certificate/x509-parse.ts';
import { registerClient } from '../src/domain/client/register-client.ts';
import { registerPartner } from '../src/domain/partner/register-partner.ts';
import type { RegistryStore } from '../src/domain/registry/registry.ts';
import { systemClock } from '../src/kernel/clock.ts';
import { systemRandom } from '../src/kernel/random.ts';
import { unwrap } from '../src/kernel/result.ts';
import {
	derInteger,
	derNull,
	derObjectIdentifier,
	derOctetString,
	derSequence,
} from '../src/domain/certificate/der.ts';

export interface CertificateMeasurements {
	readonly certificates: number;
	/** Processor time to build, lint and sign one certificate, without the store. */
	readonly issueCpuMs: number;
	readonly listPageMs: number;
	readonly expiringPageMs: number;
	readonly findBySerialMs: number;
	readonly listEntries: number;
	/** Reading all entries, encoding, signing. */
	readonly revocationListMs: number;
	readonly revocationListBytes: number;
	readonly ocspCachedPerSecond: number;
	readonly ocspSignedPerSecond: number;
}

export interface CertificateLoad {
	readonly certificates: number;
	readonly revoked: number;
	readonly ocspAnswers: number;
}

const TRUST_DOMAIN = 'bank.example';
const BATCH = 500;

/** Measures. Takes about a minute for 100,000 certificates; leaves nothing behind. */
export async function measureCertificates(load: CertificateLoad): Promise<CertificateMeasurements> {
	const folder = await mkdtemp(join(tmpdir(), 'sallyport-certificates-'));
	const store = await openStoreFile(join(folder, 'store.db'));
	try {
		return await measure(load, store.registry);
	} finally {
		await store.close();
		await rm(folder, { recursive: true });
	}
}

async function measure(load: CertificateLoad, registry: RegistryStore): Promise<CertificateMeasurements> {
	const deps = { clock: systemClock, random: systemRandom, trustDomain: TRUST_DOMAIN };
	const { partnerIssuing } = await loadOrCreateAuthorities({
		...deps,
		keys: openMemoryStore().keys,
		publicUrl: 'http://pki.bank.example',
		openSigner: openLocalSigner,
	});
	const partner = unwrap(await registerPartner(registry, { name: 'Acme' }, deps)).record;
	const request = { partnerId: partner.id, name: 'load', environment: 'production' } as const;
	const client = unwrap(await registerClient(registry, request, deps)).record;
	const holder = { partnerId: partner.id, clientId: client.id };
	const uri = formatSpiffeId({ kind: 'partner-client', trustDomain: TRUST_DOMAIN, ...holder });
	const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
	const key = subjectPublicKeyOf(publicKey.export({ type: 'spki', format: 'der' }));

	// Step 1: issue, and keep. Only the issuing is measured.
	let issueCpuMicros = 0;
	const serials: string[] = [];
	for (let done = 0; done < load.certificates; done += BATCH) {
		const count = Math.min(BATCH, load.certificates - done);
		const records: Certificate[] = [];
		const before = process.threadCpuUsage();
		for (let index = 0; index < count; index++) {
			const lifetimeMs = 60_000 + (done + index) * 60;
			const wish = {
				profile: 'partner-client',
				publicKey: key,
				subject: { commonName: client.id },
				uri,
				lifetimeMs,
			} as const;
			const issued = unwrap(await issueCertificate(partnerIssuing, wish, deps));
			records.push(
				certificateRecord(
					issued,
					{ profile: 'partner-client', subject: uri, issuer: 'partner-issuing', ...holder },
					deps,
				),
			);
		}
		const { user, system } = process.threadCpuUsage(before);
		issueCpuMicros += user + system;
		await registry.transaction(async (inside) => {
			for (const [index, record] of records.entries()) {
				const isRevoked = done + index < load.revoked;
				const revocation = {
					status: 'revoked',
					revokedAtMs: systemClock.nowMs(),
					revocationReason: 'superseded',
				} as const;
				await inside.certificates.insert(isRevoked ? { ...record, ...revocation } : record);
				serials.push(record.serial);
			}
		});
	}

	// Step 2: find.
	const middle = serials[serials.length >> 1] ?? '';
	const soonMs = systemClock.nowMs() + 60_000 + load.certificates * 30;
	const listPageMs = await timed(() => registry.certificates.list({ limit: 200 }, { clientId: client.id }));
	const expiring = { status: 'active', expiresFromMs: systemClock.nowMs(), expiresBeforeMs: soonMs } as const;
	const expiringPageMs = await timed(() => registry.certificates.list({ limit: 200 }, expiring));
	const findBySerialMs = await timed(() => registry.certificates.findBySerial('partner-issuing', middle));

	// Step 3: the revocation list, from the store to the signature.
	let der = Buffer.alloc(0) as Buffer;
	let entries: RevocationEntry[] = [];
	const revocationListMs = await timed(async () => {
		entries = await readEntries(registry);
		const { algorithm } = partnerIssuing.signer;
		const nowMs = systemClock.nowMs();
		const tbs = encodeRevocationList({
			algorithm,
			issuer: partnerIssuing.subject,
			authorityKeyId: partnerIssuing.keyId,
			number: 1,
			thisUpdateMs: nowMs,
			nextUpdateMs: nowMs + 86_400_000,
			entries,
		});
		der = encodeSignedList(tbs, algorithm, await partnerIssuing.signer.sign(tbs));
	});

	// Step 4: OCSP, from memory and freshly signed.
	const rates = await measureOcsp(partnerIssuing, serials, load.ocspAnswers, registry);
	return {
		certificates: serials.length,
		issueCpuMs: issueCpuMicros / 1000 / serials.length,
		listPageMs,
		expiringPageMs,
		findBySerialMs,
		listEntries: entries.length,
		revocationListMs,
		revocationListBytes: der.length,
		...rates,
	};
}

async function readEntries(registry: RegistryStore): Promise<RevocationEntry[]> {
	const entries: RevocationEntry[] = [];
	let after: string | undefined;
	for (;;) {
		const page = await registry.certificates.listRevoked('partner-issuing', {
			limit: 1000,
			...(after === undefined ? {} : { after }),
		});
		entries.push(...page.items);
		if (page.next === undefined) return entries;
		after = page.next;
	}
}

async function measureOcsp(
	authority: Awaited<ReturnType<typeof loadOrCreateAuthorities>>['partnerIssuing'],
	serials: readonly string[],
	answers: number,
	registry: RegistryStore,
): Promise<Pick<CertificateMeasurements, 'ocspCachedPerSecond' | 'ocspSignedPerSecond'>> {
	const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
	const key = subjectPublicKeyOf(publicKey.export({ type: 'spki', format: 'der' }));
	const deps = { clock: systemClock, random: systemRandom };
	const own = { profile: 'ocsp-responder', publicKey: key, subject: { commonName: 'responder' } } as const;
	const issued = unwrap(await issueCertificate(authority, own, deps));
	const keyBits = publicKeyBits(parseCertificate(authority.certificate.raw)?.tbs.publicKey as Buffer);
	const digest = (bytes: Buffer) => createHash('sha1').update(bytes).digest();
	const responder = new OcspResponder(
		[
			{
				id: authority.id,
				subject: authority.subject,
				keyBits,
				responder: {
					algorithm: 'ecdsa-with-SHA256',
					keyHash: digest(publicKeyBits(key.spki)),
					certificate: issued.der,
					sign: (data) => sign('sha256', data, privateKey),
				},
			},
		],
		{
			validityMs: 3_600_000,
			unknownSerial: 'unknown',
			cachedMax: 20_000,
			clock: systemClock,
			findStatus: async (queries) => {
				const found = await Promise.all(
					queries.map((one) => registry.certificates.findBySerial(one.authority, one.serial)),
				);
				return found.map((one) => (one === undefined ? undefined : { kind: 'good' }));
			},
		},
	);
	const algorithm = derSequence(derObjectIdentifier('1.3.14.3.2.26'), derNull());
	const asked = serials.slice(0, 1000).map((serial) => {
		const hashes = [derOctetString(digest(authority.subject)), derOctetString(digest(keyBits))];
		const certId = derSequence(algorithm, ...hashes, derInteger(Buffer.from(serial, 'hex')));
		return derSequence(derSequence(derSequence(derSequence(certId))));
	});
	const signedMs = await timed(async () => {
		for (const request of asked) await responder.answer(request);
	});
	const cachedMs = await timed(async () => {
		for (let index = 0; index < answers; index++) await responder.answer(asked[index % asked.length] as Buffer);
	});
	return { ocspCachedPerSecond: (answers / cachedMs) * 1000, ocspSignedPerSecond: (asked.length / signedMs) * 1000 };
}

/** Processor time of this thread, in milliseconds: the store runs in it too, and a busy machine changes nothing. */
async function timed(work: () => Promise<unknown>): Promise<number> {
	const before = process.threadCpuUsage();
	await work();
	const { user, system } = process.threadCpuUsage(before);
	return (user + system) / 1000;
}
