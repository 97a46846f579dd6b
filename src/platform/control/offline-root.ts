// The commands `authority request` and `authority import`: a platform whose root is elsewhere. The keys of its issuing
// authorities are made here, or lie where the configuration says; their certificates come from the ceremony. While one of
// them is missing the platform does not start.
import { X509Certificate } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { signatureAlgorithmOfKey } from '../../adapters/keys/key-algorithm.ts';
import { formatKeyReference } from '../../adapters/keys/key-reference.ts';
import { createKeyRing, type KeyRing } from '../../adapters/keys/key-ring.ts';
import type { CommandIo } from '../../cli/command-io.ts';
import { formatProblem } from '../../config/config-problem.ts';
import { loadConfiguration } from '../../config/load-configuration.ts';
import { readRootList } from '../../domain/certificate/ceremony-list.ts';
import { ISSUING_NAMES, requestIssuing } from '../../domain/certificate/ceremony.ts';
import { decodeBase64 } from '../../domain/certificate/pem.ts';
import type { PublishedRevocationList, RevocationListStore } from '../../domain/certificate/revocation-list-store.ts';
import type { KeyStore } from '../../domain/registry/key-store.ts';
import { systemClock } from '../../kernel/clock.ts';
import { systemRandom } from '../../kernel/random.ts';
import type { Secret } from '../../kernel/secret.ts';
import { AUTHORITY_USE } from './authority-use.ts';
import { openKeyEncryptionService } from '../store/key-encryption-service.ts';
import { openStore } from '../store/open-store.ts';

/** Why nothing was done; the message is for the operator. */
export class OfflineRootRefused extends Error {
	readonly kind: 'invalid' | 'conflict';
	constructor(kind: 'invalid' | 'conflict', message: string, options?: ErrorOptions) {
		super(message, options);
		this.name = 'OfflineRootRefused';
		this.kind = kind;
	}
}

interface PlaceOptions {
	readonly config: string;
	readonly data: string;
	readonly keyEncryptionKey: Secret | undefined;
}

/** Stores the root's certificate, makes what is missing of the issuing keys, and writes their requests. */
export function requestAuthorities(
	options: PlaceOptions & { readonly root: string; readonly out: string },
	io: CommandIo,
): Promise<void> {
	return withKeys(options, io, async ({ keys, keyRing, trustDomain }) => {
		const root = readAuthority(await readFile(resolve(io.cwd, options.root), 'utf8'), options.root);
		if (!root.verify(root.publicKey) || !root.subject.split('\n').includes(`O=${trustDomain.slice(0, 64)}`)) {
			throw new OfflineRootRefused('invalid', `${options.root} is not the root of ${trustDomain}.`);
		}
		const known = await keys.get('ca/root');
		if (known !== undefined && known.certificatePem !== root.toString()) {
			throw new OfflineRootRefused('conflict', 'This data folder has another root already. Take a new folder.');
		}
		const out = resolve(io.cwd, options.out);
		await mkdir(out, { recursive: true });
		const { publicKey } = root;
		// The root first: killed at any moment, this command goes on where it ended, and no start makes a root of its own.
		if (known === undefined) {
			const algorithm = signatureAlgorithmOfKey(publicKey);
			await keys.insert({
				name: 'ca/root',
				purpose: 'certificate-authority',
				privateKeyPem: formatKeyReference({ use: 'root', algorithm, publicKey }),
				certificatePem: root.toString(),
				createdAtMs: systemClock.nowMs(),
			});
		}
		for (const name of ISSUING_NAMES) {
			const file = join(out, `${name}.csr`);
			await writeFile(file, await requestIssuing(await provideSigner(keys, keyRing, name), name, trustDomain));
			io.stdout(`${file}\n`);
		}
	});
}

async function provideSigner(keys: KeyStore, keyRing: KeyRing, name: (typeof ISSUING_NAMES)[number]) {
	const stored = await keys.get(`ca/${name}`);
	if (stored !== undefined) return keyRing.openSigner(stored.privateKeyPem);
	const { privateKeyPem, signer } = await keyRing.makeKey(AUTHORITY_USE[name]);
	await keys.insert({
		name: `ca/${name}`,
		purpose: 'certificate-authority',
		privateKeyPem,
		// Empty until it is imported: a platform that is started meanwhile says so, and issues nothing.
		certificatePem: '',
		createdAtMs: systemClock.nowMs(),
	});
	return signer;
}

/**
 * Stores certificates that the root has signed for the keys that wait for them, and lists of the root, which the public
 * listener serves from the next start on. All files are judged before one is taken.
 */
export function importAuthorities(
	options: PlaceOptions & { readonly files: readonly string[] },
	io: CommandIo,
): Promise<void> {
	return withKeys(options, io, async ({ keys, keyRing, lists }) => {
		const rootPem = (await keys.get('ca/root'))?.certificatePem;
		if (rootPem === undefined) throw new OfflineRootRefused('conflict', 'Run "sallyport authority request" first.');
		const root = new X509Certificate(rootPem);
		const taken: { readonly name: string; readonly certificate: X509Certificate }[] = [];
		const takenLists: PublishedRevocationList[] = [];
		for (const file of options.files) {
			const text = await readFile(resolve(io.cwd, file), 'utf8');
			if (text.startsWith('-----BEGIN X509 CRL-----')) {
				takenLists.push(await readList(text, file, root));
				continue;
			}
			const certificate = readAuthority(text, file);
			const isValid = certificate.validToDate.getTime() > systemClock.nowMs();
			if (!certificate.verify(root.publicKey) || !certificate.checkIssued(root) || !isValid) {
				throw new OfflineRootRefused('invalid', `${file} was not signed by the root of this folder, or is over.`);
			}
			const name = await findWaiting(keys, keyRing, certificate);
			if (name === undefined) throw new OfflineRootRefused('invalid', `${file} is for no key of this folder.`);
			taken.push({ name, certificate });
		}
		for (const { name, certificate } of taken) {
			const stored = await keys.get(name);
			if (stored === undefined) throw new Error(`${name} was there a moment ago`);
			await keys.put({ ...stored, certificatePem: certificate.toString() + rootPem });
			io.stdout(`${name}  valid until ${certificate.validToDate.toISOString()}\n`);
		}
		for (const list of takenLists.toSorted((a, b) => a.number - b.number)) await takeList(list, lists, io);
	});
}

async function readList(text: string, file: string, root: X509Certificate): Promise<PublishedRevocationList> {
	const body = /^-----BEGIN X509 CRL-----([A-Za-z0-9+/=\s]+)-----END X509 CRL-----\s*$/.exec(text)?.[1];
	const der = decodeBase64(body ?? '');
	if (der === undefined) throw new OfflineRootRefused('invalid', `${file} is no list in PEM.`);
	const list = await readRootList(der, root);
	if (!list.ok) throw new OfflineRootRefused('invalid', `${file} is not taken. ${list.fault}`);
	if (list.value.nextUpdateMs <= systemClock.nowMs()) throw new OfflineRootRefused('invalid', `${file} is over.`);
	return list.value;
}

async function takeList(list: PublishedRevocationList, lists: RevocationListStore, io: CommandIo): Promise<void> {
	const known = await lists.get('root');
	if (known !== undefined && known.number >= list.number && !Buffer.from(known.der).equals(list.der)) {
		throw new OfflineRootRefused('conflict', `A list with the number ${known.number} is here already.`);
	}
	if (known?.number !== list.number) await lists.put(list);
	io.stdout(`list of the root ${list.number}  until ${new Date(list.nextUpdateMs).toISOString()}\n`);
}

async function findWaiting(
	keys: KeyStore,
	keyRing: KeyRing,
	certificate: X509Certificate,
): Promise<string | undefined> {
	for (const name of ISSUING_NAMES) {
		const stored = await keys.get(`ca/${name}`);
		if (stored === undefined) continue;
		// The names say which is which: a certificate for partners must not sign for the platform, nor the other way round.
		const isNamed = certificate.subject.includes(name.replace('-', ' '));
		if (isNamed && keyRing.openSigner(stored.privateKeyPem).publicKey.equals(certificate.publicKey))
			return `ca/${name}`;
	}
	return undefined;
}

function readAuthority(pem: string, file: string): X509Certificate {
	let certificate: X509Certificate;
	try {
		certificate = new X509Certificate(pem);
	} catch (cause) {
		throw new OfflineRootRefused('invalid', `${file} is no certificate in PEM.`, { cause });
	}
	if (!certificate.ca) throw new OfflineRootRefused('invalid', `${file} is not the certificate of an authority.`);
	return certificate;
}

interface OpenKeys {
	readonly keys: KeyStore;
	readonly keyRing: KeyRing;
	readonly lists: RevocationListStore;
	readonly trustDomain: string;
}

/** Opens the store of a platform that does not run: it is locked while it does. */
async function withKeys(options: PlaceOptions, io: CommandIo, work: (open: OpenKeys) => Promise<void>): Promise<void> {
	const loaded = await loadConfiguration(resolve(io.cwd, options.config));
	if (!loaded.ok) throw new OfflineRootRefused('invalid', loaded.fault.map(formatProblem).join('\n'));
	const { configuration } = loaded.value;
	const data = resolve(io.cwd, options.data);
	await mkdir(data, { recursive: true, mode: 0o700 });
	const store = await openStore({
		folder: join(data, 'store'),
		...(options.keyEncryptionKey === undefined ? undefined : { keyEncryptionKey: options.keyEncryptionKey }),
		keyEncryptionService: async () => openKeyEncryptionService(loaded, (name) => io.env[name]),
		clock: systemClock,
		random: systemRandom,
	});
	const keyRing = createKeyRing({
		places: configuration.keys,
		readVariable: (name) => io.env[name],
		clock: systemClock,
		random: systemRandom,
	});
	try {
		const { trustDomain } = configuration;
		await work({ keys: keyRing.wrapStore(store.keys), keyRing, lists: store.revocationLists, trustDomain });
	} finally {
		await keyRing.close();
		await store.close();
	}
}
