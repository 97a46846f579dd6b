// Decides by authorization details (RFC 9396 §9.1): an operation that demands one is permitted only by a detail of the
// token that fits its schema, is for this API, permits the actions, and names every resource that the request touches.
// One detail must fit in all of that: two that each fit in part permit nothing. Compiled once from the configuration.
import { Ajv2020 } from 'ajv/dist/2020.js';
import { type default as AddFormats, default as formats } from 'ajv-formats';
import { canonicalJson, type JsonValue } from '../../kernel/canonical-json.ts';
import { fail, ok, type Result } from '../../kernel/result.ts';
import { type JsonPath, parseJsonPath, selectValues } from '../protection/json-path.ts';
import { compileOtherSpelling } from '../protection/other-spelling.ts';
import type { AuthorizationDetail, AuthorizationDetailType, DetailBinding } from './authorization-detail.ts';
import type { RequestedResource } from './resource-grant.ts';

/** Decides by the configured types. */
export interface DetailPolicy {
	/** Names of the configured types. */
	readonly types: readonly string[];
	/** Whether a detail is of a configured type and fits its schema. */
	isValid(detail: AuthorizationDetail): boolean;
	/** What an operation demands; undefined for one that demands no detail and never looks at any. */
	ruleOf(operation: string): DetailRule | undefined;
}

/** What one operation demands. Both give the details that permit the request as far as it is known: none refuses it. */
export interface DetailRule {
	/** Judges the details of a token for the API `resource` by the resources that path and query name. */
	permitTarget(
		details: readonly AuthorizationDetail[],
		resource: string,
		touched: readonly RequestedResource[],
	): readonly AuthorizationDetail[];
	/** Judges what `permitTarget` gave by the body and the resources that it names; undefined where no body is judged. */
	readonly permitBody:
		| ((
				details: readonly AuthorizationDetail[],
				body: unknown,
				touched: readonly RequestedResource[],
		  ) => readonly AuthorizationDetail[])
		| undefined;
}

// The published types of ajv-formats describe its CommonJS form, whose default export is one level deeper.
const addFormats = formats as unknown as typeof AddFormats.default;

/** Compiles the types; the fault names the type and what is wrong with it. */
export function compileDetailPolicy(types: readonly AuthorizationDetailType[]): Result<DetailPolicy, string> {
	const ajv = createAjv();
	const validators = new Map<string, (detail: unknown) => boolean>();
	const bindings = new Map<string, Map<string, CompiledBinding>>();
	for (const { type, schema, bindings: ofType } of types) {
		const validator = compileSchema(ajv, type, schema);
		if (!validator.ok) return fail(`${type}: ${validator.fault}`);
		validators.set(type, validator.value);
		for (const binding of ofType) {
			const compiled = compileBinding(binding);
			if (!compiled.ok) return fail(`${type}: ${binding.operation}: ${compiled.fault}`);
			const ofOperation = bindings.get(binding.operation) ?? new Map<string, CompiledBinding>();
			bindings.set(binding.operation, ofOperation.set(type, compiled.value));
		}
	}
	// A token is used many times and its details never change: each is held to its schema once.
	const judged = new WeakMap<AuthorizationDetail, boolean>();
	const isValid = (detail: AuthorizationDetail): boolean => {
		const known = judged.get(detail);
		if (known !== undefined) return known;
		const valid = validators.get(detail.type)?.(detail) ?? false;
		judged.set(detail, valid);
		return valid;
	};
	const rules = new Map([...bindings].map(([operation, byType]) => [operation, createRule(byType, isValid)]));
	return ok({ types: [...validators.keys()], isValid, ruleOf: (operation) => rules.get(operation) });
}

interface CompiledBinding {
	readonly actions: readonly string[];
	readonly resources: ReadonlyMap<string, JsonPath>;
	readonly matches: readonly CompiledMatch[];
}

interface CompiledMatch {
	readonly body: JsonPath;
	readonly detail: JsonPath;
	readonly hasOtherSpelling: (body: unknown) => boolean;
}

function createRule(
	byType: ReadonlyMap<string, CompiledBinding>,
	isValid: (detail: AuthorizationDetail) => boolean,
): DetailRule {
	const judgesBody = [...byType.values()].some(({ resources, matches }) => resources.size > 0 || matches.length > 0);
	return {
		permitTarget: (details, resource, touched) =>
			details.filter((detail) => {
				const binding = byType.get(detail.type);
				if (binding === undefined || !isValid(detail)) return false;
				// SECURITY: a detail for another API permits nothing here. detail-policy.test.ts
				if (detail.locations !== undefined && !detail.locations.includes(resource)) return false;
				if (!binding.actions.every((action) => detail.actions?.includes(action))) return false;
				return namesAll(binding, detail, touched);
			}),
		permitBody: judgesBody
			? (details, body, touched) =>
					details.filter((detail) => {
						const binding = byType.get(detail.type) as CompiledBinding;
						return namesAll(binding, detail, touched) && binding.matches.every((match) => isSame(match, body, detail));
					})
			: undefined,
	};
}

/** Whether the detail names every touched resource of a type that the binding looks at. */
function namesAll(
	{ resources }: CompiledBinding,
	detail: AuthorizationDetail,
	touched: readonly RequestedResource[],
): boolean {
	for (const { type, id } of touched) {
		const path = resources.get(type);
		if (path !== undefined && !selectValues(path, detail).includes(id)) return false;
	}
	return true;
}

function isSame(
	{ body: bodyPath, detail: detailPath, hasOtherSpelling }: CompiledMatch,
	body: unknown,
	detail: unknown,
): boolean {
	// SECURITY: a service that reads member names without regard to case may take the other one. detail-policy.test.ts
	if (hasOtherSpelling(body)) return false;
	const asked = selectValues(bodyPath, body);
	const permitted = selectValues(detailPath, detail);
	if (asked.length !== 1 || permitted.length !== 1) return false;
	return canonicalJson(asked[0] as JsonValue) === canonicalJson(permitted[0] as JsonValue);
}

function compileBinding(binding: DetailBinding): Result<CompiledBinding, string> {
	const resources = new Map<string, JsonPath>();
	for (const { type, path } of binding.resources) {
		const parsed = parseJsonPath(path);
		if (!parsed.ok) return fail(`${path}: ${parsed.fault}`);
		resources.set(type, parsed.value);
	}
	const matches: CompiledMatch[] = [];
	for (const match of binding.matches) {
		const body = parseJsonPath(match.body);
		if (!body.ok) return fail(`${match.body}: ${body.fault}`);
		const detail = parseJsonPath(match.detail);
		if (!detail.ok) return fail(`${match.detail}: ${detail.fault}`);
		matches.push({ body: body.value, detail: detail.value, hasOtherSpelling: compileOtherSpelling(body.value) });
	}
	return ok({ actions: binding.actions, resources, matches });
}

/** Compiles a schema, which must be closed; `type` is held to the name of the type, whatever the schema says of it. */
function compileSchema(
	ajv: Ajv2020,
	type: string,
	schema: AuthorizationDetailType['schema'],
): Result<(detail: unknown) => boolean, string> {
	if (schema['type'] !== 'object' || schema['additionalProperties'] !== false) {
		return fail('the schema needs "type: object" and "additionalProperties: false"');
	}
	const properties = schema['properties'];
	if (typeof properties !== 'object' || properties === null || Array.isArray(properties)) {
		return fail('the schema needs "properties"');
	}
	try {
		return ok(ajv.compile({ ...schema, properties: { ...properties, type: { const: type } } }));
	} catch (thrown) {
		return fail(`the schema cannot be compiled: ${thrown instanceof Error ? thrown.message : 'unknown reason'}`);
	}
}

function createAjv(): Ajv2020 {
	const ajv = new Ajv2020({
		// An unknown keyword is a mistyped one, and would permit what it was meant to refuse.
		strict: true,
		strictTypes: false,
		strictRequired: false,
		strictTuples: false,
		logger: false,
		addUsedSchema: false,
		// SECURITY: inherited members such as `constructor` must not satisfy `required`. detail-policy.test.ts
		ownProperties: true,
	});
	addFormats(ajv);
	return ajv;
}
