// Holds an API of gRPC against what the gateway can keep: names of methods, HTTP/2 on both sides, and no rule that would have to
// look into messages.
import type { ApiVersion, Operation, Upstream } from '../domain/api/api.ts';
import {
	type GrpcCallKind,
	type GrpcMetadata,
	type GrpcRule,
	isGrpcMethodName,
	isMetadataName,
} from '../domain/api/grpc-rule.ts';
import { STREAM_BYTES_UNLIMITED } from '../domain/api/stream-rule.ts';
import { proofsOf, warnOfApiKeys, warnOfBearer } from './check-operation.ts';
import type { PathStep } from './config-problem.ts';
import type { ApiInput } from './configuration-schema.ts';
import { type Draft, refuseRepeats } from './draft.ts';

/** An API of gRPC: what a document would have said is fixed, or not there. */
export type GrpcApi = Pick<ApiVersion, 'grpc' | 'operations'>;

/** Checks an API that has `grpc`. */
export function checkGrpcApi(draft: Draft, name: string, input: ApiInput, upstream: Upstream): GrpcApi {
	const path = ['apis', name];
	refuseForeign(draft, path, input);
	if (input.upstream.http2 === undefined) {
		const message = 'gRPC needs HTTP/2 towards the service';
		draft.problems.add([...path, 'upstream'], message, 'Add "http2: {}" to the upstream.', 'key');
	}
	if (upstream.basePath !== '') {
		const message = 'a service of gRPC has no path before its name';
		draft.problems.add([...path, 'upstream', 'url'], message, 'Write scheme, host and port only.');
	}
	if (!draft.input.listeners.gateway.http2) {
		const message = 'gRPC needs HTTP/2, which the listener "gateway" does not speak';
		draft.problems.add([...path, 'grpc'], message, 'Remove "http2: false" from listeners.gateway.', 'key');
	}
	const operations: Operation[] = [];
	for (const [id, decisions] of Object.entries(input.operations)) {
		const operation = checkMethod(draft, [...path, 'operations', id], {
			id,
			decisions,
			key: `${name}/${input.version}/${id}`,
		});
		if (operation !== undefined) operations.push(operation);
	}
	return { grpc: readMetadata(draft, [...path, 'grpc'], input), operations };
}

/** Adds a problem for each `grpc` of an operation whose API has a document. */
export function refuseGrpcOperations(draft: Draft, name: string, input: ApiInput): void {
	for (const [id, { grpc }] of Object.entries(input.operations)) {
		if (grpc === undefined) continue;
		const message = 'an operation of a document is not called by gRPC';
		const remedy = 'Expose methods of gRPC by an API of their own, which has "grpc" instead of "document".';
		draft.problems.add(['apis', name, 'operations', id, 'grpc'], message, remedy, 'key');
	}
}

const UNREADABLE = 'messages of gRPC cannot be read here, and so not masked';

/** SECURITY: what cannot be kept must not load. check-grpc.test.ts */
function refuseForeign(draft: Draft, path: readonly PathStep[], input: ApiInput): void {
	if (input.document !== undefined) {
		const message = 'an API has a document or is called by gRPC, not both';
		draft.problems.add([...path, 'document'], message, 'Remove "document" or "grpc".', 'key');
	}
	if (input.basePath !== undefined) {
		const message = 'the paths of gRPC are the names of its methods';
		draft.problems.add([...path, 'basePath'], message, 'Remove "basePath".', 'key');
	}
	if (input.masks.length > 0) {
		const remedy = 'Remove "masks", and have the service leave out what partners may not see.';
		draft.problems.add([...path, 'masks'], UNREADABLE, remedy, 'key');
	}
	if (input.cors !== undefined) {
		const message = 'web pages do not speak gRPC';
		draft.problems.add([...path, 'cors'], message, 'Remove "cors".', 'key');
	}
}

function readMetadata(draft: Draft, path: readonly PathStep[], { grpc }: ApiInput): GrpcMetadata {
	const { requestMetadata: request = [], responseMetadata: response = [] } = grpc ?? {};
	for (const [field, names] of Object.entries({ requestMetadata: request, responseMetadata: response })) {
		refuseRepeats(draft, [...path, field], names);
		for (const [index, metadataName] of names.entries()) {
			if (isMetadataName(metadataName)) continue;
			const message = `"${metadataName}" belongs to HTTP, to gRPC, or to the gateway`;
			draft.problems.add([...path, field, index], message, 'Remove it, or choose another name.');
		}
	}
	return { request, response };
}

interface MethodDraft {
	readonly id: string;
	readonly decisions: ApiInput['operations'][string];
	readonly key: string;
}

function checkMethod(
	draft: Draft,
	path: readonly PathStep[],
	{ id, decisions, key }: MethodDraft,
): Operation | undefined {
	if (!isGrpcMethodName(id)) {
		const message = `"${id}" is no method of gRPC`;
		draft.problems.add(path, message, 'Write it as package.Service/Method, as the service defines it.', 'key');
	}
	if (decisions.grpc === undefined) {
		const message = '"grpc" is missing';
		draft.problems.add(path, message, 'Add "grpc: { kind: unary }", or whichever kind the method has.', 'key');
	}
	if (decisions.stream !== undefined) {
		const message = 'whether a method streams is said by its kind';
		draft.problems.add([...path, 'stream'], message, 'Remove "stream", and write grpc: { kind: … }.', 'key');
	}
	if (decisions.masks.length > 0) {
		const remedy = 'Remove "masks", and have the service leave out what partners may not see.';
		draft.problems.add([...path, 'masks'], UNREADABLE, remedy, 'key');
	}
	if (decisions.resources.length > 0) {
		const message = 'messages of gRPC cannot be read here, and so not asked for resources';
		const remedy = 'Write "resources: []", and have the service check them from the Sallyport-Assertion.';
		draft.problems.add([...path, 'resources'], message, remedy, 'key');
	}
	refuseRepeats(draft, [...path, 'scopes'], decisions.scopes);
	warnOfBearer(draft, [...path, 'authentication'], decisions.authentication);
	warnOfApiKeys(draft, path, decisions, 'POST');
	if (decisions.grpc === undefined) return undefined;
	return {
		id,
		key,
		method: 'POST',
		path: `/${id}`,
		authentication: proofsOf(decisions),
		scopes: decisions.scopes,
		resources: [],
		audit: decisions.audit,
		masks: [],
		requestBodyBytesMax: decisions.requestBodyMax,
		responseBodyBytesMax: decisions.responseBodyMax,
		grpc: readRule(draft, [...path, 'grpc'], decisions.grpc, decisions),
	};
}

const TIME_MS_MAX: Readonly<Record<GrpcCallKind, number>> = {
	unary: 60_000,
	'client-stream': 3_600_000,
	'server-stream': 3_600_000,
	'bidi-stream': 3_600_000,
};
const PREFIX_BYTES = 5;

function readRule(
	draft: Draft,
	path: readonly PathStep[],
	input: NonNullable<MethodDraft['decisions']['grpc']>,
	{ requestBodyMax, responseBodyMax }: MethodDraft['decisions'],
): GrpcRule {
	const { kind, idleTimeout, timeMax = TIME_MS_MAX[kind] } = input;
	const bound = (field: 'requestMax' | 'responseMax', isOne: boolean, messageMax: number): number => {
		const max = input[field];
		if (isOne) return messageMax + PREFIX_BYTES;
		if (max !== 'unlimited') return max;
		draft.warnings.add([...path, field], 'nothing bounds how much passes', 'Write the largest size that makes sense.');
		return STREAM_BYTES_UNLIMITED;
	};
	return {
		kind,
		requestBytesMax: bound('requestMax', kind === 'unary' || kind === 'server-stream', requestBodyMax),
		responseBytesMax: bound('responseMax', kind === 'unary' || kind === 'client-stream', responseBodyMax),
		idleTimeoutMs: kind === 'unary' ? timeMax : idleTimeout,
		timeMaxMs: timeMax,
	};
}
