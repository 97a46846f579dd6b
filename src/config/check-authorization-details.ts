// Holds the types of authorization details against the APIs: each schema compiles and is closed, each operation exists, and
// each resource type is one that the operation touches.
import type { ApiVersion, Operation } from '../domain/api/api.ts';
import type { AuthorizationDetailType, DetailBinding } from '../domain/policy/authorization-detail.ts';
import { compileDetailPolicy } from '../domain/policy/detail-policy.ts';
import type { PathStep } from './config-problem.ts';
import type { ConfigurationInput } from './configuration-schema.ts';
import { type Draft, refuseTooMany } from './draft.ts';
import { suggestName } from './nearest-name.ts';

const TYPES_MAX = 100;

type TypeInput = ConfigurationInput['authorizationDetails']['types'][string];

/** Checks the types, and gives them. */
export function checkAuthorizationDetails(
	draft: Draft,
	apis: readonly ApiVersion[],
): readonly AuthorizationDetailType[] {
	const { types: inputs } = draft.input.authorizationDetails;
	const path = ['authorizationDetails', 'types'];
	refuseTooMany(draft, path, inputs, TYPES_MAX);
	const operations = new Map(apis.flatMap((api) => api.operations.map((operation) => [operation.key, operation])));
	const types: AuthorizationDetailType[] = [];
	for (const [type, input] of Object.entries(inputs)) {
		const checked: AuthorizationDetailType = {
			type,
			title: input.title,
			schema: input.schema,
			bindings: checkBindings(draft, [...path, type, 'operations'], input, operations),
		};
		const compiled = compileDetailPolicy([checked]);
		if (!compiled.ok) {
			draft.problems.add(
				[...path, type],
				compiled.fault,
				'Correct it there; docs/configuration.md has the rules.',
				'key',
			);
		}
		types.push(checked);
	}
	return types;
}

function checkBindings(
	draft: Draft,
	path: readonly PathStep[],
	input: TypeInput,
	operations: ReadonlyMap<string, Operation>,
): readonly DetailBinding[] {
	const bindings: DetailBinding[] = [];
	for (const [key, binding] of Object.entries(input.operations)) {
		const operation = operations.get(key);
		// An operation of an API that did not load has its problem already.
		if (operation === undefined && draft.problems.isEmpty) {
			const message = `there is no operation "${key}"`;
			draft.problems.add([...path, key], message, suggestName(key, operations.keys(), 'operation'), 'key');
		}
		for (const type of Object.keys(binding.resources)) {
			if (operation === undefined || operation.resources.some((rule) => rule.type === type)) continue;
			const message = `the operation touches no resource of the type "${type}"`;
			draft.problems.add([...path, key, 'resources', type], message, 'Add a resource rule to the operation.', 'key');
		}
		if (operation?.grpc !== undefined && binding.matches.length > 0) {
			const message = 'messages of gRPC cannot be read here, and so not compared';
			draft.problems.add([...path, key, 'matches'], message, 'Remove "matches".', 'key');
		}
		bindings.push({
			operation: key,
			actions: binding.actions,
			resources: Object.entries(binding.resources).map(([type, place]) => ({ type, path: place })),
			matches: binding.matches,
		});
	}
	return bindings;
}
