// Every request has one meaning: no two operations answer to the same method and path, and no API starts within another.
import type { ApiVersion } from '../domain/api/api.ts';
import { parsePathTemplate, shapeOf } from '../domain/api/path-template.ts';
import type { Draft } from './draft.ts';

/** Checks the paths of all APIs against each other. */
export function checkRoutes(draft: Draft, apis: readonly ApiVersion[]): void {
	refuseNesting(draft, apis);
	refuseCollisions(draft, apis);
	refuseMixedFormats(draft, apis);
}

/** A token is for a resource, so that all APIs of one resource must be able to read it. */
function refuseMixedFormats(draft: Draft, apis: readonly ApiVersion[]): void {
	for (const api of apis) {
		const other = apis.find(
			({ resource, tokenFormat }) => resource === api.resource && tokenFormat !== api.tokenFormat,
		);
		if (other === undefined) continue;
		const message = `the API ${other.id} has the same resource and the token format "${other.tokenFormat}"`;
		draft.problems.add(
			['apis', api.id, 'tokenFormat'],
			message,
			'Give both the same format, or resources of their own.',
		);
	}
}

function refuseNesting(draft: Draft, apis: readonly ApiVersion[]): void {
	const started = apis.flatMap((api) => startsOf(api).map((start) => ({ api, start })));
	for (const inner of started) {
		const outer = started.find(({ start }) => start !== inner.start && `${inner.start}/`.startsWith(`${start}/`));
		if (outer === undefined) continue;
		const message = `the base path ${inner.start} lies within ${outer.start || '/'} of the API ${outer.api.id}`;
		const place = inner.api.grpc === undefined ? 'basePath' : 'operations';
		draft.problems.add(['apis', inner.api.id, place], message, 'Give each API a base path beside the others.');
	}
}

/** Where the paths of an API start: at its base path; with gRPC, at the names of its services. */
function startsOf({ basePath, grpc, operations }: ApiVersion): readonly string[] {
	if (grpc === undefined) return [basePath];
	return [...new Set(operations.map(({ path }) => path.slice(0, path.lastIndexOf('/'))))];
}

function refuseCollisions(draft: Draft, apis: readonly ApiVersion[]): void {
	const taken = new Map<string, string>();
	for (const api of apis) {
		for (const operation of api.operations) {
			const template = parsePathTemplate(api.basePath + operation.path);
			if (!template.ok) continue;
			const route = `${operation.method} ${shapeOf(template.value)}`;
			const other = taken.get(route);
			if (other === undefined) {
				taken.set(route, operation.key);
				continue;
			}
			const message = `${operation.method} ${template.value.text} is also the path of ${other}`;
			const remedy = 'Expose only one of the two, or give the APIs different base paths.';
			draft.problems.add(['apis', api.id, 'operations', operation.id], message, remedy, 'key');
		}
	}
}
