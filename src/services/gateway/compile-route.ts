// Compiles one operation of the configuration into what the stages ask on each request: its contract, where its resources
// are named, and how its answers are protected.
import type { GatewayRoute, RequestTargetValues } from './gateway-route.ts';
import type { ApiVersion, Operation } from '../../domain/api/api.ts';
import { compileCors } from '../../domain/api/cors.ts';
import { RESERVED_HEADERS } from '../../domain/api/http-headers.ts';
import { parsePathTemplate } from '../../domain/api/path-template.ts';
import { resourceMetadataPlace } from '../../domain/api/resource-metadata.ts';
import { explainStream } from '../../domain/api/stream-rule.ts';
import { retryRule } from '../../domain/api/upstream-client.ts';
import { declaredHeaders } from '../../domain/contract/declared-headers.ts';
import { decodeFormText, splitPairs } from '../../domain/contract/form-pairs.ts';
import { compileOperationContract } from '../../domain/contract/operation-contract.ts';
import type { RequestedResource } from '../../domain/policy/resource-grant.ts';
import { parseJsonPath, selectValues } from '../../domain/protection/json-path.ts';
import { compileOtherSpelling } from '../../domain/protection/other-spelling.ts';
import { compileResponseProtector } from '../../domain/protection/protect-response.ts';
import { fail, ok, type Result } from '../../kernel/result.ts';
import { compileGrpcRoute } from './compile-grpc-route.ts';

/** Compiles one route; the fault says what of the operation cannot be compiled. */
export function compileRoute(
	api: ApiVersion,
	operation: Operation,
	parts: Pick<GatewayRoute, 'upstream' | 'index' | 'details'>,
): Result<GatewayRoute, string> {
	const route = {
		...parts,
		api,
		operation,
		upstreamBasePath: api.upstream.basePath,
		retry: retryRule(operation.method, operation.audit),
		metadata: resourceMetadataPlace(api.resource),
		externalAudiences: new Map(api.externalIssuers?.map(({ issuer, audiences }) => [issuer, new Set(audiences)]) ?? []),
	};
	if (api.document === undefined) return compileGrpcRoute(route);
	const [bypassed] = explainStream(operation);
	if (bypassed !== undefined) return fail(bypassed.message);
	const contract = compileOperationContract(api.document, operation);
	if (!contract.ok) return contract;
	const protect = compileResponseProtector(contract.value, operation.masks);
	if (!protect.ok) return protect;
	const targetReaders = compileTargetReaders(operation);
	if (!targetReaders.ok) return targetReaders;
	const bodyReaders = compileBodyReaders(operation);
	if (!bodyReaders.ok) return bodyReaders;
	const contractHeaders = new Set(
		declaredHeaders(api.document, operation).filter((name) => !RESERVED_HEADERS.has(name)),
	);
	return ok({
		...route,
		contract: contract.value,
		cors: compileCors(api),
		contractHeaders,
		readTargetResources: (values) => readAll(targetReaders.value, values),
		readBodyResources: bodyReaders.value.length === 0 ? undefined : (body) => readAll(bodyReaders.value, body),
		protectResponse: protect.value,
	});
}

/** Gives the resources that one rule finds; undefined where it finds none or cannot tell. */
type Reader<Input> = (input: Input) => readonly RequestedResource[] | undefined;

const NO_RESOURCES: readonly RequestedResource[] = [];

function readAll<Input>(readers: readonly Reader<Input>[], input: Input): readonly RequestedResource[] | undefined {
	if (readers.length === 0) return NO_RESOURCES;
	if (readers.length === 1) return (readers[0] as Reader<Input>)(input);
	const all: RequestedResource[] = [];
	for (const read of readers) {
		const found = read(input);
		if (found === undefined) return undefined;
		all.push(...found);
	}
	return all;
}

function compileTargetReaders(operation: Operation): Result<readonly Reader<RequestTargetValues>[], string> {
	const template = parsePathTemplate(operation.path);
	if (!template.ok) return template;
	const readers: Reader<RequestTargetValues>[] = [];
	for (const { type, from } of operation.resources) {
		if (from.startsWith('path.')) {
			const place = template.value.parameters.indexOf(from.slice('path.'.length));
			if (place === -1) return fail(`the path has no parameter for the resource rule ${from}`);
			readers.push(({ pathParameters }) => {
				const id = pathParameters[place];
				return id === undefined ? undefined : [{ type, id }];
			});
		} else if (from.startsWith('query.')) {
			const name = from.slice('query.'.length);
			readers.push(({ query }) => {
				const id = readQueryValue(query, name);
				return id === undefined ? undefined : [{ type, id }];
			});
		} else if (!from.startsWith('body.')) {
			return fail(`a resource rule reads from path., query. or body., not from ${from}`);
		}
	}
	return ok(readers);
}

/** The one value of a query parameter, read as the contract reads it; undefined when it is absent or comes twice. */
function readQueryValue(query: string, name: string): string | undefined {
	const pairs = splitPairs(query);
	if (pairs === undefined) return undefined;
	const place = pairs.names.indexOf(name);
	if (place === -1 || pairs.names.indexOf(name, place + 1) !== -1) return undefined;
	const raw = pairs.rawValues[place] as string;
	// SECURITY: a raw `+` is a space to some services and a plus to others; an id must have one reading only.
	const id = raw.includes('+') ? undefined : decodeFormText(raw);
	return id === '' ? undefined : id;
}

const BODY_RESOURCES_MAX = 100;

function compileBodyReaders(operation: Operation): Result<readonly Reader<unknown>[], string> {
	const readers: Reader<unknown>[] = [];
	for (const { type, from } of operation.resources) {
		if (!from.startsWith('body.')) continue;
		const path = parseJsonPath(from.slice('body.'.length));
		if (!path.ok) return fail(`${from}: ${path.fault}`);
		const hasOtherSpelling = compileOtherSpelling(path.value);
		readers.push((body) => {
			// SECURITY: a service that reads member names without regard to case may take the other one.
			// test/attack/body-resources.test.ts
			if (hasOtherSpelling(body)) return undefined;
			const found = selectValues(path.value, body);
			if (found.length === 0 || found.length > BODY_RESOURCES_MAX) return undefined;
			const resources: RequestedResource[] = [];
			for (const id of found) {
				// SECURITY: only text names a resource: two programs may read one number differently.
				if (typeof id !== 'string' || id === '') return undefined;
				resources.push({ type, id });
			}
			return resources;
		});
	}
	return ok(readers);
}
