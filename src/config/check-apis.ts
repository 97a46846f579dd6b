// Holds each API against its document: the document loads, its operations are the ones that are configured, and what the
// gateway needs to decide about them is there.
import type { ApiVersion, OpenApiDocument, Upstream } from '../domain/api/api.ts';
import { isForbiddenUpstreamAddress } from '../domain/api/upstream-address.ts';
import { parseIpAddress } from '../domain/network/ip-address.ts';
import { type ApiDocument, loadApiDocument } from './api-document.ts';
import { checkGrpcApi, refuseGrpcOperations } from './check-grpc.ts';
import { acceptedIssuersOf } from './check-issuers.ts';
import { checkMasks, checkOperation, type ExposedOperation } from './check-operation.ts';
import type { PathStep } from './config-problem.ts';
import type { ApiInput } from './configuration-schema.ts';
import { type Draft, refuseRepeats, refuseTooMany } from './draft.ts';
import { readAuthorities, readIdentity } from './identity-files.ts';
import { suggestName } from './nearest-name.ts';

const APIS_MAX = 200;
const OPERATIONS_MAX = 2000;

/** Checks all APIs, and gives those of which enough is right to be looked at further. */
export async function checkApis(draft: Draft): Promise<readonly ApiVersion[]> {
	refuseTooMany(draft, ['apis'], draft.input.apis, APIS_MAX);
	const apis: ApiVersion[] = [];
	// One after the other: parsing is what takes the time, and it would not get shorter side by side.
	for (const [name, input] of Object.entries(draft.input.apis)) {
		const api = await checkApi(draft, name, input);
		if (api !== undefined) apis.push(api);
	}
	return apis;
}

async function checkApi(draft: Draft, name: string, input: ApiInput): Promise<ApiVersion | undefined> {
	const path = ['apis', name];
	refuseTooMany(draft, [...path, 'operations'], input.operations, OPERATIONS_MAX);
	checkMasks(draft, [...path, 'masks'], input.masks);
	const upstream = await checkUpstream(draft, name, input);
	if (input.grpc !== undefined) {
		const ofGrpc = checkGrpcApi(draft, name, input, upstream);
		const resource = input.resource ?? `${gatewayOrigin(draft)}/${name}/${input.version}`;
		const { version, tokenFormat, title = name } = input;
		refuseIssuer(draft, path, resource);
		return {
			id: name,
			version,
			title,
			basePath: '',
			resource,
			tokenFormat,
			upstream,
			...externalIssuersOf(draft, name, input, resource),
			...documentationOf(input),
			...ofGrpc,
		};
	}
	refuseWebSockets(draft, path, input);
	refuseGrpcOperations(draft, name, input);
	if (input.document === undefined) {
		const remedy = 'Name the OpenAPI document of the API; or write "grpc: {}" where it is called by gRPC.';
		draft.problems.add(path, '"document" is missing', remedy, 'key');
		return undefined;
	}
	const documentPath = [...path, 'document'];
	const document = await loadApiDocument(draft.resolve(input.document), draft.folder);
	if (!document.ok) {
		for (const { message, remedy } of document.fault) draft.problems.add(documentPath, message, remedy);
		return undefined;
	}
	const basePath = resolveBasePath(name, input);
	const exposed = findOperations(draft, name, input, document.value, basePath);
	const contract = await document.value.project(exposed.map(({ source }) => source));
	if (!contract.ok) {
		for (const { message, remedy } of contract.fault) draft.problems.add(documentPath, message, remedy);
		return undefined;
	}
	checkContracts(draft, path, contract.value, exposed);
	const resource = input.resource ?? `${gatewayOrigin(draft)}${basePath}`;
	refuseIssuer(draft, path, resource);
	return {
		id: name,
		version: input.version,
		title: input.title ?? (document.value.title.slice(0, 200) || name),
		basePath,
		resource,
		tokenFormat: input.tokenFormat,
		...externalIssuersOf(draft, name, input, resource),
		document: contract.value,
		...documentationOf(input),
		...corsOf(draft, path, input),
		upstream,
		operations: exposed.map(({ operation }) => operation),
	};
}

function refuseIssuer(draft: Draft, path: readonly PathStep[], resource: string): void {
	if (resource !== draft.input.issuer) return;
	const message = 'the resource is the issuer itself';
	draft.problems.add([...path, 'resource'], message, 'Give the API a URL of its own, such as that of its base path.');
}

function documentationOf({ documentationUrl }: ApiInput): Pick<ApiVersion, 'documentationUrl'> {
	return documentationUrl === undefined ? {} : { documentationUrl };
}

/** The web pages that may call; none when nothing is written. */
function corsOf(draft: Draft, path: readonly PathStep[], { cors }: ApiInput): Pick<ApiVersion, 'cors'> {
	if (cors === undefined) return {};
	refuseRepeats(draft, [...path, 'cors', 'origins'], cors.origins);
	return { cors: { origins: cors.origins, credentials: cors.credentials, maxAgeSeconds: cors.maxAge } };
}

/** The external issuers whose tokens the API takes; none when nothing is written. */
function externalIssuersOf(
	draft: Draft,
	name: string,
	input: ApiInput,
	resource: string,
): Pick<ApiVersion, 'externalIssuers'> {
	const externalIssuers = acceptedIssuersOf(draft, name, input, resource);
	return externalIssuers.length === 0 ? {} : { externalIssuers };
}

/** Compiles what the gateway is going to compile, so that a document that cannot be held to is found out here. */
function checkContracts(
	draft: Draft,
	path: readonly PathStep[],
	contract: OpenApiDocument,
	exposed: readonly ExposedOperation[],
): void {
	if (draft.compileContract === undefined) return;
	for (const { operation } of exposed) {
		const compiled = draft.compileContract(contract, operation);
		if (compiled.ok) continue;
		const message = `requests cannot be held to the document: ${compiled.fault}`;
		draft.problems.add([...path, 'operations', operation.id], message, 'Correct the document there.', 'key');
	}
}

/** Base path of an API, '' for the root. */
function resolveBasePath(name: string, input: Pick<ApiInput, 'basePath' | 'version'>): string {
	const basePath = input.basePath ?? `/${name}/${input.version}`;
	return basePath === '/' ? '' : basePath;
}

function gatewayOrigin(draft: Draft): string {
	const { names, port } = draft.input.listeners.gateway;
	return `https://${names[0] ?? 'localhost'}${port === 443 ? '' : `:${port}`}`;
}

function findOperations(
	draft: Draft,
	name: string,
	input: ApiInput,
	document: ApiDocument,
	basePath: string,
): readonly ExposedOperation[] {
	const path = ['apis', name, 'operations'];
	const known = document.operations.map(({ id }) => id);
	const exposed: ExposedOperation[] = [];
	for (const [id, decisions] of Object.entries(input.operations)) {
		const [source, second] = document.operations.filter((operation) => operation.id === id);
		if (source === undefined) {
			const message = `the document has no operation "${id}"`;
			draft.problems.add([...path, id], message, suggestName(id, known, 'operation in the document'), 'key');
			continue;
		}
		if (second !== undefined) {
			const message = `the document has two operations "${id}": ${describe(source)} and ${describe(second)}`;
			draft.problems.add([...path, id], message, 'Give each an operationId of its own in the document.', 'key');
			continue;
		}
		const key = `${name}/${input.version}/${id}`;
		const operation = checkOperation(draft, [...path, id], { source, decisions, key, basePath, masks: input.masks });
		if (operation !== undefined) exposed.push({ source, operation });
	}
	if (Object.keys(input.operations).length === 0) {
		draft.warnings.add(
			path,
			'nothing of this API is exposed',
			`Add operations: ${known.slice(0, 8).join(', ')} …`,
			'key',
		);
	}
	return exposed;
}

function describe(operation: { readonly methodKey: string; readonly path: string }): string {
	return `${operation.methodKey.toUpperCase()} ${operation.path}`;
}

async function checkUpstream(draft: Draft, name: string, input: ApiInput): Promise<Upstream> {
	const path = ['apis', name, 'upstream'];
	const { upstream } = input;
	const url = new URL(upstream.url);
	if (url.protocol === 'http:' && !upstream.insecure) {
		const remedy = 'Use https. "insecure: true" allows http, for a service on this machine or inside a trusted mesh.';
		draft.problems.add([...path, 'url'], 'the upstream is not reached over TLS', remedy);
	} else if (url.protocol === 'http:') {
		draft.warnings.add(
			[...path, 'insecure'],
			'requests and responses travel to the upstream in clear text',
			'Use https.',
		);
	} else if (upstream.insecure) {
		draft.warnings.add([...path, 'insecure'], '"insecure" has no effect on an https URL', 'Remove it.');
	}
	// SECURITY: what a name resolves to is judged when it is connected to. upstream-connect.test.ts
	const host = url.hostname.replace(/^\[|\]$/g, '');
	if (parseIpAddress(host) !== undefined && isForbiddenUpstreamAddress(host)) {
		const remedy =
			'Write the address of the service. Link-local, metadata and multicast addresses are never connected to.';
		draft.problems.add([...path, 'url'], 'no internal service has this address', remedy);
	}
	const identity = await readIdentity(draft, path, upstream, []);
	const ca =
		upstream.caFile === undefined ? undefined : await readAuthorities(draft, [...path, 'caFile'], upstream.caFile);
	return {
		origin: url.origin,
		basePath: url.pathname.replace(/\/+$/, ''),
		audience: upstream.audience ?? url.origin,
		...(ca === undefined ? {} : { ca }),
		...(identity === undefined ? {} : { certificate: identity.chain, key: identity.key }),
		connectTimeoutMs: upstream.connectTimeout,
		responseTimeoutMs: upstream.responseTimeout,
		bodyTimeoutMs: upstream.bodyTimeout,
		totalTimeoutMs: upstream.totalTimeout ?? upstream.responseTimeout + 60_000,
		keepAliveMs: upstream.keepAlive,
		retriesMax: upstream.retries,
		connectionsMax: upstream.connections,
		queueMax: upstream.queue,
		streamsMax: upstream.streams,
		...http2Of(draft, path, upstream),
	};
}

function http2Of(
	draft: Draft,
	path: readonly PathStep[],
	{ url, http2 }: ApiInput['upstream'],
): Pick<Upstream, 'http2'> {
	if (http2 === undefined) return {};
	if (url.startsWith('http:')) {
		draft.problems.add([...path, 'http2'], 'HTTP/2 is agreed on within TLS', 'Write an https URL, or remove "http2".');
	}
	const { streamsPerConnection, connectionLifetime: lifetimeMs, pingEvery: pingMs } = http2;
	return { http2: { streamsPerConnection, lifetimeMs, pingMs } };
}

/** A WebSocket is opened by an upgrade of HTTP/1.1. */
function refuseWebSockets(draft: Draft, path: readonly PathStep[], input: ApiInput): void {
	if (input.upstream.http2 === undefined) return;
	for (const [id, { stream }] of Object.entries(input.operations)) {
		if (stream?.kind !== 'websocket') continue;
		const message = 'a WebSocket cannot be opened over HTTP/2';
		const remedy = 'Expose it by an API of its own, whose upstream has no "http2".';
		draft.problems.add([...path, 'operations', id, 'stream', 'kind'], message, remedy);
	}
}
