// Loads a configuration, all or nothing: reads the file, holds it to the schema, reads what it names, and checks that the
// parts agree. Whatever is wrong is reported at once, each problem at its place. Configuration never executes and
// loading never uses the network.
import { createHash } from 'node:crypto';
import { availableParallelism } from 'node:os';
import type { SigningKeyPolicy } from '../domain/token/signing-key-keeper.ts';
import { canonicalJson, type JsonValue } from '../kernel/canonical-json.ts';
import { type Clock, systemClock } from '../kernel/clock.ts';
import { fail, ok, type Result } from '../kernel/result.ts';
import { checkApis } from './check-apis.ts';
import { checkCertificates } from './check-certificates.ts';
import { checkClientKeySets, checkIssuers } from './check-issuers.ts';
import { checkKeys } from './check-keys.ts';
import { checkAuthorizationDetails } from './check-authorization-details.ts';
import { checkListeners } from './check-listeners.ts';
import { checkPlans, checkProducts } from './check-products.ts';
import { checkResourceServers } from './check-resource-servers.ts';
import { checkRoutes } from './check-routes.ts';
import { type ConfigProblem, ProblemList, sortProblems } from './config-problem.ts';
import type { Configuration } from './configuration.ts';
import { type ConfigurationInput, configurationSchema } from './configuration-schema.ts';
import { CONFIGURATION_BYTES_MAX, type ConfigurationText, parseConfigurationText } from './configuration-text.ts';
import { type CompileContract, createDraft } from './draft.ts';
import { readTextFile } from './read-files.ts';
import { schemaProblems } from './schema-problems.ts';
import { checkSources } from './source-settings.ts';

/** A configuration that is right, and what is doubtful about it. */
export interface LoadedConfiguration {
	readonly configuration: Configuration;
	readonly warnings: readonly ConfigProblem[];
}

/** What loading depends on besides files. */
export interface LoadOptions {
	/** Tells whether certificates have expired. Default: the machine's clock. */
	readonly clock?: Clock;
	/** Processor cores, for `threads: auto`. Default: those of the machine. */
	readonly processors?: number;
	/**
	 * Compiles API contracts (`compileOperationContract`), so that a check without a start finds what cannot be
	 * compiled. Default: left to the gateway, which compiles them in any case.
	 */
	readonly compileContract?: CompileContract;
}

const GATEWAY_THREADS_MAX = 64;

/** Loads the configuration in `file`. The fault is a list of at least one and at most 50 problems, sorted by place. */
export async function loadConfiguration(
	file: string,
	options: LoadOptions = {},
): Promise<Result<LoadedConfiguration, readonly ConfigProblem[]>> {
	const read = await readTextFile(file, CONFIGURATION_BYTES_MAX);
	if (!read.ok) {
		const remedy = 'Name a configuration file; "sallyport init" writes a first one.';
		return fail([{ file, line: 1, column: 1, path: '', message: read.fault, remedy }]);
	}
	return loadConfigurationText(read.value.text, file, options);
}

/** Loads a configuration from its text. Paths in it are relative to the folder of `file`, which need not exist. */
export async function loadConfigurationText(
	source: string,
	file: string,
	options: LoadOptions = {},
): Promise<Result<LoadedConfiguration, readonly ConfigProblem[]>> {
	// Step 1: the text, and the schema of each value by itself.
	const text = parseConfigurationText(source, file);
	if (!text.ok) return fail(sortProblems(text.fault));
	const { input, problems } = applySchema(text.value);
	if (input === undefined) return fail(problems.list());

	// Step 2: what the configuration names, and whether its parts agree.
	const draft = createDraft(text.value, {
		input,
		problems,
		clock: options.clock ?? systemClock,
		compileContract: options.compileContract,
	});
	const listeners = await checkListeners(draft);
	const certificates = checkCertificates(draft);
	const keys = await checkKeys(draft);
	const apis = await checkApis(draft);
	checkRoutes(draft, apis);
	const products = checkProducts(draft, apis);
	const plans = checkPlans(draft);
	const sources = checkSources(draft);
	const authorizationDetailTypes = checkAuthorizationDetails(draft, apis);
	const resourceServers = await checkResourceServers(draft, apis);
	const externalIssuers = await checkIssuers(draft, apis);
	const clientKeySets = await checkClientKeySets(draft);
	if (!problems.isEmpty || certificates === undefined) return fail(problems.list());

	// Step 3: the result.
	const { threads } = input.gateway;
	const processors = options.processors ?? availableParallelism();
	const content: Omit<Configuration, 'source' | 'digest'> = {
		trustDomain: input.trustDomain,
		issuer: input.issuer,
		listeners,
		sources,
		keys,
		signingKeys: {
			'token-signing': signingKeyPolicy(input.signingKeys.tokens),
			'assertion-signing': signingKeyPolicy(input.signingKeys.assertions),
		},
		shutdown: { announceMs: input.shutdown.announce, graceMs: input.shutdown.grace },
		protectionKeys: {
			'token-sealing': { rotateEverySeconds: input.protectionKeys.sealing.rotateEvery },
			'token-encryption': { rotateEverySeconds: input.protectionKeys.encryption.rotateEvery },
		},
		assertionAlgorithms: input.clients.assertionAlgorithms,
		dpopNonce: input.gateway.dpopNonce,
		gatewayThreads: threads === 'auto' ? Math.min(Math.max(1, processors), GATEWAY_THREADS_MAX) : threads,
		tokenTtlSecondsMax: Math.max(0, ...plans.map((plan) => plan.tokenTtlSeconds)),
		certificates,
		apis,
		products,
		plans,
		authorizationDetailTypes,
		resourceServers,
		externalIssuers,
		clientKeySets,
	};
	const digest = createHash('sha256')
		.update(canonicalJson(content as unknown as JsonValue))
		.digest('hex');
	return ok({ configuration: { source, digest, ...content }, warnings: draft.warnings.list() });
}

function signingKeyPolicy(input: ConfigurationInput['signingKeys']['tokens']): SigningKeyPolicy {
	const { algorithm, rotateEvery, publishAhead } = input;
	return { algorithm, rotateEverySeconds: rotateEvery, publishAheadSeconds: publishAhead };
}

/**
 * Applies the schema. When nothing but unknown keys is wrong, these are set aside so that the cross-checks can run as
 * well and everything is reported at once; the load fails all the same, because the problems stay on the list.
 */
function applySchema(text: ConfigurationText): {
	readonly input: ConfigurationInput | undefined;
	readonly problems: ProblemList;
} {
	const first = configurationSchema.safeParse(text.value);
	if (first.success) return { input: first.data, problems: new ProblemList(text) };
	const { issues } = first.error;
	const problems = schemaProblems(text, issues);
	if (issues.some(({ code }) => code !== 'unrecognized_keys')) return { input: undefined, problems };
	const known = structuredClone(text.value);
	for (const issue of issues) {
		if (issue.code !== 'unrecognized_keys') continue;
		let owner: unknown = known;
		for (const step of issue.path) owner = (owner as Record<PropertyKey, unknown>)[step];
		for (const key of issue.keys) delete (owner as Record<string, unknown>)[key];
	}
	const second = configurationSchema.safeParse(known);
	return { input: second.success ? second.data : undefined, problems };
}
