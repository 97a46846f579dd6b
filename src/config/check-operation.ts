// Holds the decisions about one operation against the operation in the document: its path can be matched without doubt,
// and every resource rule and mask names something that is there.
import type { CallerProof, HttpMethod, MaskRule, Operation, ResourceRule } from '../domain/api/api.ts';
import { parsePathTemplate } from '../domain/api/path-template.ts';
import { explainStream, STREAM_BYTES_UNLIMITED } from '../domain/api/stream-rule.ts';
import type { StreamRule } from '../domain/api/api.ts';
import { parseJsonPath } from '../domain/protection/json-path.ts';
import type { PathStep } from './config-problem.ts';
import type { ApiInput } from './configuration-schema.ts';
import type { DocumentOperation } from './document-operations.ts';
import { formatPlace } from './document-reference.ts';
import { type Draft, refuseRepeats } from './draft.ts';
import { suggestName } from './nearest-name.ts';

/** An operation as the document has it, and as the gateway decides about it. */
export interface ExposedOperation {
	readonly source: DocumentOperation;
	readonly operation: Operation;
}

/** What is known about one operation before it is checked. */
export interface OperationDraft {
	readonly source: DocumentOperation;
	readonly decisions: ApiInput['operations'][string];
	readonly key: string;
	/** Base path of the API, '' for the root. */
	readonly basePath: string;
	/** Masks of the whole API. */
	readonly masks: readonly MaskRule[];
}

/** Checks one operation; undefined when it cannot be exposed. */
export function checkOperation(draft: Draft, path: readonly PathStep[], of: OperationDraft): Operation | undefined {
	const { source, decisions } = of;
	const { method } = source;
	const isReachable = checkPath(draft, path, of);
	refuseRepeats(draft, [...path, 'scopes'], decisions.scopes);
	warnOfBearer(draft, [...path, 'authentication'], decisions.authentication);
	warnOfApiKeys(draft, path, decisions, method);
	refuseRepeats(
		draft,
		[...path, 'resources'],
		decisions.resources.map(({ type, from }) => `${type} from ${from}`),
	);
	for (const [index, rule] of decisions.resources.entries()) {
		checkResourceRule(draft, [...path, 'resources', index, 'from'], source, rule);
	}
	checkMasks(draft, [...path, 'masks'], decisions.masks);
	const stream = readStream(draft, path, of);
	if (method === undefined) {
		const message = `the gateway does not serve the method ${source.methodKey.toUpperCase()}`;
		draft.problems.add(path, message, 'Remove the operation here.', 'key');
		return undefined;
	}
	if (!isReachable) return undefined;
	return {
		id: source.id,
		key: of.key,
		method,
		path: source.path,
		authentication: proofsOf(decisions),
		scopes: decisions.scopes,
		resources: decisions.resources,
		audit: decisions.audit,
		masks: [...of.masks, ...decisions.masks],
		requestBodyBytesMax: decisions.requestBodyMax,
		responseBodyBytesMax: decisions.responseBodyMax,
		...(stream === undefined ? undefined : { stream }),
	};
}

/** What each decision about authentication takes. */
const PROOFS: Readonly<Record<OperationDraft['decisions']['authentication'], readonly CallerProof[]>> = {
	mtls: ['mtls'],
	dpop: ['dpop'],
	bound: ['mtls', 'dpop'],
	bearer: ['mtls', 'dpop', 'bearer'],
};

/** What a caller may prove itself with. */
export function proofsOf({ authentication, apiKeys }: OperationDraft['decisions']): readonly CallerProof[] {
	return apiKeys ? [...PROOFS[authentication], 'api-key'] : PROOFS[authentication];
}

/** Warns of API keys that open more than reading. */
export function warnOfApiKeys(
	draft: Draft,
	path: readonly PathStep[],
	{ apiKeys }: OperationDraft['decisions'],
	method: HttpMethod | undefined,
): void {
	if (!apiKeys || method === 'GET' || method === 'HEAD') return;
	const message = 'an operation that changes something takes API keys, which are no proof of who calls';
	draft.warnings.add([...path, 'apiKeys'], message, 'Take API keys for reading only.');
}

/** Warns of tokens that anybody can use who reads them. */
export function warnOfBearer(draft: Draft, path: readonly PathStep[], decision: string): void {
	if (decision !== 'bearer') return;
	const message = 'whoever reads an access token that is bound to nothing can call the operation with it';
	draft.warnings.add(path, message, 'Use "bound" wherever the clients can use keys.');
}

/** Reads the rule for streams, and adds a problem for each thing that a stream would bypass. */
function readStream(draft: Draft, path: readonly PathStep[], of: OperationDraft): StreamRule | undefined {
	const { requestBodyMax, responseBodyMax, stream: input, resources, masks } = of.decisions;
	if (input === undefined) return undefined;
	const at = [...path, 'stream'];
	for (const name of ['requestMax', 'responseMax'] as const) {
		if (input[name] !== 'unlimited') continue;
		draft.warnings.add([...at, name], 'nothing bounds how much passes', 'Write the largest size that makes sense.');
	}
	const bound = (max: number | 'unlimited'): number => (max === 'unlimited' ? STREAM_BYTES_UNLIMITED : max);
	const stream: StreamRule = {
		kind: input.kind,
		requestBytesMax: bound(input.requestMax ?? requestBodyMax),
		responseBytesMax: bound(input.responseMax ?? responseBodyMax),
		messageBytesMax: input.messageMax,
		origins: input.origins,
		idleTimeoutMs: input.idleTimeout,
		timeMaxMs: input.timeMax,
	};
	const { method } = of.source;
	if (method === undefined) return undefined;
	for (const { message, remedy } of explainStream({ method, resources, masks: [...of.masks, ...masks], stream })) {
		draft.problems.add([...at, 'kind'], message, remedy);
	}
	return stream;
}

function checkPath(draft: Draft, path: readonly PathStep[], { source, basePath }: OperationDraft): boolean {
	const template = parsePathTemplate(basePath + source.path);
	if (!template.ok) {
		const message = `its path ${source.path} cannot be matched: ${template.fault} (${formatPlace(source.place)})`;
		draft.problems.add(path, message, 'Change the path in the document, or do not expose the operation.', 'key');
		return false;
	}
	if (template.value.text.startsWith('/.')) {
		const message = `its path ${source.path} is reserved for the platform`;
		draft.problems.add(path, message, 'Give the API a base path.', 'key');
		return false;
	}
	const declared = new Set(source.parameters.filter((parameter) => parameter.in === 'path').map(({ name }) => name));
	const undeclared = template.value.parameters.filter((name) => !declared.has(name));
	for (const name of undeclared) {
		const message = `the document does not declare the path parameter "${name}" (${formatPlace(source.place)})`;
		draft.problems.add(
			path,
			message,
			`Declare it there: { name: ${name}, in: path, required: true, schema: … }`,
			'key',
		);
	}
	return undeclared.length === 0;
}

function checkResourceRule(
	draft: Draft,
	path: readonly PathStep[],
	source: DocumentOperation,
	rule: ResourceRule,
): void {
	const dot = rule.from.indexOf('.');
	const where = rule.from.slice(0, Math.max(0, dot));
	const name = rule.from.slice(dot + 1);
	if (where === 'path' || where === 'query') {
		const names = source.parameters.filter((parameter) => parameter.in === where).map((parameter) => parameter.name);
		if (names.includes(name)) return;
		const message = `the operation has no ${where} parameter "${name}"`;
		draft.problems.add(path, message, suggestName(name, names, `${where} parameter in the document`));
		return;
	}
	if (where !== 'body') {
		const message = `"${rule.from}" is no place of a request`;
		draft.problems.add(path, message, 'Write path.<parameter>, query.<parameter> or body.<JSONPath>.');
		return;
	}
	if (!source.hasRequestBody) {
		draft.problems.add(path, 'the operation has no request body', 'Take the resource from the path or the query.');
		return;
	}
	checkJsonPath(draft, path, name);
}

/** Checks that the places of masks are written in the supported part of JSONPath. */
export function checkMasks(draft: Draft, path: readonly PathStep[], masks: readonly MaskRule[]): void {
	for (const [index, mask] of masks.entries()) checkJsonPath(draft, [...path, index, 'path'], mask.path);
}

function checkJsonPath(draft: Draft, path: readonly PathStep[], text: string): void {
	const parsed = parseJsonPath(text);
	if (parsed.ok) return;
	const remedy = 'Use names, indexes, wildcards and descendants: $.Data.Account[*].Iban or $..iban';
	draft.problems.add(path, `this JSONPath cannot be used: ${parsed.fault}`, remedy);
}
