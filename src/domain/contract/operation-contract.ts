// The contract of one operation: compiled once from its OpenAPI document into closures, so that a request parses and looks
// up nothing but itself. A document that cannot be held to is a fault at load, with the place of each problem.
import type { Fault } from '../../kernel/faults.ts';
import { fail, ok, type Result } from '../../kernel/result.ts';
import type { OpenApiDocument, Operation } from '../api/api.ts';
import { parsePathTemplate } from '../api/path-template.ts';
import { streamsRequest, streamsResponse } from '../api/stream-rule.ts';
import { dereference, isObject, type Json, member, type Problems, pointerTo } from './document.ts';
import { compileParameters, mergeParameters } from './parameter.ts';
import { compileRequestBody } from './request-body.ts';
import { compileResponses, type ResponseContracts } from './response-contract.ts';
import { schemaLibrary } from './schema-library.ts';

/** A request as the contract sees it. */
export interface ContractRequest {
	/** Decoded values of the path parameters, in the order of the template. */
	readonly params: readonly string[];
	/** The raw query without `?`; '' when there is none. */
	readonly query: string;
	/** Gives the value of a header field by its lower-case name. */
	readonly header: (name: string) => string | undefined;
	readonly contentType: string | undefined;
	/** The body; undefined or empty when there is none. */
	readonly body: Buffer | undefined;
}

/** What `validateRequest` found out. */
export interface RequestVerdict {
	/** Undefined when the request keeps the contract. */
	readonly fault: Fault | undefined;
	/** The parsed JSON or form; undefined without a body, for other media types, and with a fault. */
	readonly bodyValue: unknown;
}

/** One operation, ready to hold requests and responses to its contract. */
export interface OperationContract extends ResponseContracts {
	/** Judges parameters and body: 400, 415 or 422. */
	readonly validateRequest: (request: ContractRequest) => RequestVerdict;
	/** Judges the parameters alone, of a request whose body is passed on unread. */
	readonly validateParameters: (request: Omit<ContractRequest, 'contentType' | 'body'>) => Fault | undefined;
	/** Whether a request body of this media type is taken without being read. */
	readonly isOpaqueRequest: (contentType: string) => boolean;
}

const PROBLEMS_SHOWN_MAX = 10;

/** Compiles the contract of an operation. The fault names every problem of its part of the document, at most ten. */
export function compileOperationContract(
	document: OpenApiDocument,
	operation: Pick<Operation, 'id' | 'method' | 'path' | 'stream'>,
): Result<OperationContract, string> {
	const problems: Problems = [];
	const contract = compile(document, operation, problems);
	if (problems.length === 0 && contract !== undefined) return ok(contract);
	const shown = problems.slice(0, PROBLEMS_SHOWN_MAX);
	if (problems.length > shown.length) shown.push(`and ${problems.length - shown.length} more`);
	return fail(shown.join('; '));
}

function compile(
	document: OpenApiDocument,
	operation: Pick<Operation, 'id' | 'method' | 'path' | 'stream'>,
	problems: Problems,
): OperationContract | undefined {
	const found = findOperation(document, operation, problems);
	const template = parsePathTemplate(operation.path);
	if (!template.ok) problems.push(`${operation.path}: ${template.fault}`);
	if (found === undefined || !template.ok) return undefined;
	const { pathItem, pathPlace, declared, place } = found;
	const requests = schemaLibrary(document, 'request');
	const parameters = mergeParameters(
		document,
		[
			{ value: member(pathItem, 'parameters'), place: pointerTo(pathPlace, 'parameters') },
			{ value: member(declared, 'parameters'), place: pointerTo(place, 'parameters') },
		],
		problems,
	);
	const checkParameters = compileParameters(parameters, template.value.parameters, requests, problems);
	const requestBody = compileRequestBody(
		member(declared, 'requestBody'),
		pointerTo(place, 'requestBody'),
		requests,
		problems,
	);
	const responses = schemaLibrary(document, 'response');
	const { responseFor, hasStatus, hasOpaque } = compileResponses(
		member(declared, 'responses'),
		pointerTo(place, 'responses'),
		responses,
		problems,
	);
	if (streamsRequest(operation.stream) && !requestBody.hasOpaque) {
		problems.push(`${place}: the request is to stream, and it has no media type other than JSON and forms`);
	}
	if (streamsResponse(operation.stream) && !hasOpaque) {
		problems.push(`${place}: the response is to stream, and no response has a media type other than JSON`);
	}
	if (operation.stream?.kind === 'websocket' && !hasStatus(101)) {
		problems.push(`${place}: a WebSocket is to be opened, and no response 101 is declared`);
	}
	return {
		validateParameters: checkParameters,
		isOpaqueRequest: requestBody.isOpaque,
		validateRequest(request) {
			const fault = checkParameters(request);
			if (fault !== undefined) return { fault, bodyValue: undefined };
			const body = requestBody.check(request.contentType, request.body);
			return { fault: body.fault, bodyValue: body.value };
		},
		responseFor,
		hasStatus,
		hasOpaque,
	};
}

interface FoundOperation {
	readonly pathItem: Json;
	readonly pathPlace: string;
	readonly declared: Json;
	readonly place: string;
}

function findOperation(
	document: OpenApiDocument,
	operation: Pick<Operation, 'id' | 'method' | 'path'>,
	problems: Problems,
): FoundOperation | undefined {
	const paths = document['paths'];
	const item = isObject(paths) ? member(paths, operation.path) : undefined;
	if (item === undefined) {
		problems.push(`the document has no path ${operation.path}`);
		return undefined;
	}
	const pathItem = dereference(document, item, pointerTo('#/paths', operation.path), problems);
	if (pathItem === undefined) return undefined;
	const method = operation.method.toLowerCase();
	const declared = member(pathItem.object, method);
	const place = pointerTo(pathItem.place, method);
	if (!isObject(declared) || member(declared, 'operationId') !== operation.id) {
		problems.push(`${place}: the operation "${operation.id}" is expected here`);
		return undefined;
	}
	return { pathItem: pathItem.object, pathPlace: pathItem.place, declared, place };
}
