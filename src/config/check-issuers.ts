// Holds the external issuers against each other and against the APIs that take their tokens: nobody is two of them,
// no token means two APIs, and what is as good as open says so.
import type { ApiVersion } from '../domain/api/api.ts';
import {
	type AcceptedIssuer,
	discoveryUriOf,
	entraDirectoryOf,
	type ExternalIssuer,
} from '../domain/issuer/external-issuer.ts';
import type { PathStep } from './config-problem.ts';
import type { Configuration } from './configuration.ts';
import type { ApiInput } from './configuration-schema.ts';
import { type Draft, refuseRepeats, refuseTooMany } from './draft.ts';
import { readAuthorities } from './identity-files.ts';
import type { IssuerInput } from './issuer-schema.ts';
import { suggestName } from './nearest-name.ts';

const ISSUERS_MAX = 50;

/** Checks all external issuers. */
export async function checkIssuers(draft: Draft, apis: readonly ApiVersion[]): Promise<readonly ExternalIssuer[]> {
	const { input } = draft;
	refuseTooMany(draft, ['issuers'], input.issuers, ISSUERS_MAX);
	const issuers: ExternalIssuer[] = [];
	for (const [name, one] of Object.entries(input.issuers)) {
		const path = ['issuers', name];
		refuseSameIssuer(draft, path, one.issuer, issuers);
		refuseRepeats(draft, [...path, 'algorithms'], one.algorithms);
		checkKind(draft, path, one);
		checkScopes(draft, path, one);
		if (one.senderConstraint === 'none') {
			draft.warnings.add(
				[...path, 'senderConstraint'],
				'whoever reads a token of this issuer can use it',
				'Have the issuer bind its tokens, and write mtls or dpop.',
			);
		}
		if (!apis.some((api) => api.externalIssuers?.some(({ issuer }) => issuer === one.issuer) === true)) {
			draft.warnings.add(
				path,
				'no API takes tokens of this issuer',
				`Add it to an API: issuers: { ${name}: {} }`,
				'key',
			);
		}
		issuers.push(await readIssuer(draft, path, name, one));
	}
	refuseSharedAudiences(draft, apis);
	return issuers;
}

/** Checks how the keys of clients are fetched. */
export async function checkClientKeySets(draft: Draft): Promise<Configuration['clientKeySets']> {
	const { networks, caFile, keptFor } = draft.input.clientKeySets;
	const ca = caFile === undefined ? undefined : await readAuthorities(draft, ['clientKeySets', 'caFile'], caFile);
	return { networks, keptMs: keptFor, ...(ca === undefined ? {} : { ca }) };
}

/** Gives the issuers whose tokens an API takes. */
export function acceptedIssuersOf(
	draft: Draft,
	name: string,
	{ issuers }: ApiInput,
	resource: string,
): readonly AcceptedIssuer[] {
	const accepted: AcceptedIssuer[] = [];
	for (const [issuerName, { audiences }] of Object.entries(issuers)) {
		const path = ['apis', name, 'issuers', issuerName];
		const known = Object.hasOwn(draft.input.issuers, issuerName) ? draft.input.issuers[issuerName] : undefined;
		if (known === undefined) {
			const remedy = suggestName(issuerName, Object.keys(draft.input.issuers), 'issuer');
			draft.problems.add(path, `there is no issuer "${issuerName}"`, remedy, 'key');
			continue;
		}
		if (audiences !== undefined) refuseRepeats(draft, [...path, 'audiences'], audiences);
		accepted.push({ issuer: known.issuer, audiences: audiences ?? [resource] });
	}
	return accepted;
}

/** SECURITY: issuers that differ in a slash alone would be taken for each other by people. */
function refuseSameIssuer(
	draft: Draft,
	path: readonly PathStep[],
	issuer: string,
	others: readonly ExternalIssuer[],
): void {
	const plain = (text: string): string => text.replace(/\/$/, '');
	if (plain(issuer) === plain(draft.input.issuer)) {
		draft.problems.add(
			[...path, 'issuer'],
			'this is the issuer of our own tokens',
			'Write the issuer of the other server.',
		);
	}
	const same = others.find((other) => plain(other.issuer) === plain(issuer));
	if (same !== undefined) {
		const message = `"${same.name}" is the same issuer`;
		draft.problems.add([...path, 'issuer'], message, 'Remove one of the two.');
	}
}

function checkKind(draft: Draft, path: readonly PathStep[], input: IssuerInput): void {
	if (input.kind === 'custom' && input.claims === undefined) {
		draft.problems.add(
			path,
			'a custom issuer needs "claims"',
			'Add claims: { client: client_id, scopes: [scope] }.',
			'key',
		);
	}
	if (input.kind !== 'custom' && input.claims !== undefined) {
		const message = `how tokens are read follows from the kind ${input.kind}`;
		draft.problems.add([...path, 'claims'], message, 'Remove "claims", or write kind: custom.', 'key');
	}
	if (input.jwksUri !== undefined && input.discoveryUri !== undefined) {
		const message = 'the keys are found in one way only';
		draft.problems.add([...path, 'jwksUri'], message, 'Remove either jwksUri or discoveryUri.', 'key');
	}
	if (input.kind === 'entra-v1' || input.kind === 'entra-v2') {
		// SECURITY: the issuer of all directories is the issuer of everybody's.
		if (entraDirectoryOf(input) !== undefined) return;
		const form = input.kind === 'entra-v1' ? 'sts.windows.net/<id>/' : 'login.microsoftonline.com/<id>/v2.0';
		draft.problems.add(
			[...path, 'issuer'],
			'this is not the issuer of one Entra directory',
			`Write https://${form} with the id of the directory in lower case.`,
		);
	}
}

function checkScopes(draft: Draft, path: readonly PathStep[], input: IssuerInput): void {
	const known = new Set(Object.values(draft.input.products).flatMap(({ scopes }) => scopes));
	if (Object.keys(input.scopes).length === 0) {
		draft.problems.add([...path, 'scopes'], 'no scope counts for anything', 'Map at least one scope to ours.', 'key');
	}
	for (const [external, own] of Object.entries(input.scopes)) {
		refuseRepeats(draft, [...path, 'scopes', external], own);
		for (const [index, scope] of own.entries()) {
			if (known.has(scope)) continue;
			const remedy = suggestName(scope, [...known], 'scope of a product');
			draft.problems.add([...path, 'scopes', external, index], `no product has the scope "${scope}"`, remedy);
		}
	}
}

async function readIssuer(
	draft: Draft,
	path: readonly PathStep[],
	name: string,
	input: IssuerInput,
): Promise<ExternalIssuer> {
	const ca = input.caFile === undefined ? undefined : await readAuthorities(draft, [...path, 'caFile'], input.caFile);
	const { jwksUri } = input;
	return {
		name,
		issuer: input.issuer,
		kind: input.kind,
		...(input.claims === undefined ? {} : { claims: input.claims }),
		keys: jwksUri === undefined ? { discoveryUri: input.discoveryUri ?? discoveryUriOf(input) } : { jwksUri },
		algorithms: input.algorithms,
		requiredClaims: Object.entries(input.requiredClaims).map(([claim, values]) => ({
			name: claim,
			values: typeof values === 'string' ? [values] : values,
		})),
		scopes: Object.entries(input.scopes).map(([external, own]) => ({ external, own })),
		senderConstraint: input.senderConstraint,
		clockSkewSeconds: input.clockSkew,
		tokenLifetimeSecondsMax: input.tokenLifetimeMax,
		keysKeptMs: input.keysKeptFor,
		networks: input.networks,
		...(ca === undefined ? {} : { ca }),
	};
}

/** SECURITY: a token for one API must not be one for another. test/attack/external-issuers.test.ts */
function refuseSharedAudiences(draft: Draft, apis: readonly ApiVersion[]): void {
	const resources = new Map<string, string>();
	for (const api of apis) {
		for (const { issuer, audiences } of api.externalIssuers ?? []) {
			for (const audience of audiences) {
				const key = `${issuer} ${audience}`;
				const resource = resources.get(key) ?? api.resource;
				resources.set(key, resource);
				if (resource === api.resource) continue;
				draft.problems.add(
					['apis', api.id, 'issuers'],
					`the audience ${audience} of ${issuer} means another API already`,
					'Give each API an audience of its own at the issuer.',
					'key',
				);
			}
		}
	}
}
