// Holds the resource servers against the APIs, and reads what they prove themselves with. A key or certificate that could
// never be accepted stops the load, not the first question.
import { createPublicKey, type JsonWebKeyInput } from 'node:crypto';
import type { ApiVersion } from '../domain/api/api.ts';
import { certificateThumbprint } from '../domain/certificate/thumbprint.ts';
import { jwkThumbprint } from '../domain/token/jwk-thumbprint.ts';
import { algorithmOfKey, parseJwkSet, PRIVATE_JWK_MEMBERS } from '../domain/token/jws-verify.ts';
import type { NamedPublicKey, ResourceServer, ResourceServerProof } from '../domain/token/resource-server.ts';
import { isJsonObject, parseJsonObject } from '../domain/token/strict-json.ts';
import type { PathStep } from './config-problem.ts';
import type { ConfigurationInput } from './configuration-schema.ts';
import { type Draft, refuseRepeats, refuseTooMany } from './draft.ts';
import { readCertificates } from './identity-files.ts';
import { suggestName } from './nearest-name.ts';
import { readTextFile } from './read-files.ts';

const SERVERS_MAX = 200;
const KEYS_BYTES_MAX = 64 * 1024;
const PROOFS = ['service', 'certificateFile', 'publicKeysFile'] as const;

type Input = ConfigurationInput['resourceServers'][string];

/** Checks the resource servers, and gives those of which enough is right. */
export async function checkResourceServers(
	draft: Draft,
	apis: readonly ApiVersion[],
): Promise<readonly ResourceServer[]> {
	const { resourceServers: inputs } = draft.input;
	refuseTooMany(draft, ['resourceServers'], inputs, SERVERS_MAX);
	const servers: ResourceServer[] = [];
	for (const [name, input] of Object.entries(inputs)) {
		const path = ['resourceServers', name];
		checkApiNames(draft, path, input, apis);
		const proof = await readProof(draft, path, input);
		const encryptionKey = await readEncryptionKey(draft, path, input);
		if (proof === undefined) continue;
		servers.push({ name, apis: input.apis, proof, ...(encryptionKey && { encryptionKey }) });
	}
	refuseShared(draft, servers);
	return servers;
}

function checkApiNames(draft: Draft, path: readonly PathStep[], input: Input, apis: readonly ApiVersion[]): void {
	refuseRepeats(draft, [...path, 'apis'], input.apis);
	const names = Object.keys(draft.input.apis);
	for (const [index, name] of input.apis.entries()) {
		// An API that did not load has its problem already.
		if (names.includes(name) || apis.some(({ id }) => id === name)) continue;
		const message = `there is no API "${name}"`;
		draft.problems.add([...path, 'apis', index], message, suggestName(name, names, 'API'));
	}
}

async function readProof(
	draft: Draft,
	path: readonly PathStep[],
	input: Input,
): Promise<ResourceServerProof | undefined> {
	const given = PROOFS.filter((name) => input[name] !== undefined);
	if (given.length !== 1) {
		const message =
			given.length === 0 ? 'it has nothing to prove itself with' : `it has ${given.length} ways to prove itself`;
		draft.problems.add(path, message, `Write exactly one of: ${PROOFS.join(', ')}.`, 'key');
		return undefined;
	}
	if (input.service !== undefined) return { kind: 'service-certificate', serviceName: input.service };
	if (input.certificateFile !== undefined) {
		const certificates = await readCertificates(draft, [...path, 'certificateFile'], input.certificateFile);
		if (certificates === undefined) return undefined;
		if (certificates.some(({ ca }) => ca)) {
			// SECURITY: each certificate of the file is accepted as the service's own. check-resource-servers.test.ts
			const message = 'the file holds the certificate of an authority';
			draft.problems.add([...path, 'certificateFile'], message, 'Leave only the certificates of the service itself.');
		}
		const pinned = certificates.map((certificate) => ({
			thumbprint: certificateThumbprint(certificate.raw),
			notBeforeMs: certificate.validFromDate.getTime(),
			notAfterMs: certificate.validToDate.getTime(),
		}));
		return { kind: 'pinned-certificate', certificates: pinned };
	}
	return readAssertionKeys(draft, [...path, 'publicKeysFile'], input.publicKeysFile ?? '');
}

async function readAssertionKeys(
	draft: Draft,
	path: readonly PathStep[],
	file: string,
): Promise<ResourceServerProof | undefined> {
	const set = await readJson(draft, path, file);
	if (set === undefined) return undefined;
	const keys = parseJwkSet(set);
	if (keys === undefined || keys.size === 0) {
		const remedy = 'Write {"keys":[…]} with public keys only, each with its own kid and alg (ES256, EdDSA, PS256).';
		draft.problems.add(path, 'the file is no JWK Set of public keys that could be accepted', remedy);
		return undefined;
	}
	const named = [...keys].map(([kid, key]) => {
		const algorithm = algorithmOfKey(key);
		if (algorithm === undefined) throw new Error('a key that was parsed has no algorithm');
		return { kid, jwk: { ...(key.export({ format: 'jwk' }) as Record<string, string>) }, algorithm };
	});
	return { kind: 'assertion', keys: named };
}

async function readEncryptionKey(
	draft: Draft,
	path: readonly PathStep[],
	{ encryptionKeyFile: file }: Input,
): Promise<NamedPublicKey | undefined> {
	if (file === undefined) return undefined;
	const place = [...path, 'encryptionKeyFile'];
	const jwk = await readJson(draft, place, file);
	if (jwk === undefined) return undefined;
	const key = isJsonObject(jwk) ? openEncryptionKey(jwk) : undefined;
	if (key !== undefined) return key;
	const remedy = 'Write a JWK with kty EC, crv P-256, x, y and kid; use, if it is there, is enc.';
	draft.problems.add(place, 'the file holds no public key that answers can be encrypted for', remedy);
	return undefined;
}

function openEncryptionKey(jwk: { readonly [name: string]: unknown }): NamedPublicKey | undefined {
	const { kty, crv, x, y, kid, use } = jwk;
	if (PRIVATE_JWK_MEMBERS.some((name) => Object.hasOwn(jwk, name))) return undefined;
	if (kty !== 'EC' || crv !== 'P-256' || typeof kid !== 'string' || (use !== undefined && use !== 'enc')) {
		return undefined;
	}
	const key = { kty, crv, x: String(x), y: String(y) };
	try {
		createPublicKey({ key: key as JsonWebKeyInput['key'], format: 'jwk' });
	} catch {
		// node:crypto throws for coordinates that are no point of the curve.
		return undefined;
	}
	return jwkThumbprint(key) === undefined ? undefined : { kid, jwk: key };
}

async function readJson(draft: Draft, path: readonly PathStep[], file: string): Promise<unknown> {
	const read = await readTextFile(draft.resolve(file), KEYS_BYTES_MAX);
	if (!read.ok) {
		draft.problems.add(path, read.fault, 'Correct the path, or the rights of the file.');
		return undefined;
	}
	const value = parseJsonObject(Buffer.from(read.value.text, 'utf8'));
	if (value === undefined) draft.problems.add(path, 'the file is no JSON object', 'Write a JWK, or a JWK Set.');
	return value;
}

/** SECURITY: what one proves itself with names exactly one of them. check-resource-servers.test.ts */
function refuseShared(draft: Draft, servers: readonly ResourceServer[]): void {
	const owners = new Map<string, string>();
	for (const { name, proof } of servers) {
		const proofs =
			proof.kind === 'service-certificate'
				? [`the service ${proof.serviceName}`]
				: proof.kind === 'pinned-certificate'
					? proof.certificates.map(({ thumbprint }) => `the certificate ${thumbprint}`)
					: [];
		for (const text of proofs) {
			const owner = owners.get(text);
			if (owner !== undefined) {
				const message = `${text} is that of "${owner}" already`;
				draft.problems.add(['resourceServers', name], message, 'Give each resource server its own.', 'key');
			}
			owners.set(text, name);
		}
	}
}
