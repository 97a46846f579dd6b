// Writes the first configuration for an OpenAPI document: every operation is listed with an explicit decision, so that
// its owner has lines to change and not a blank page. What is written has been loaded once before it is handed out.
import { basename, dirname, relative, sep } from 'node:path';
import { fail, ok, type Result } from '../kernel/result.ts';
import { type ApiDocument, loadApiDocument } from './api-document.ts';
import { type ConfigProblem, formatPath } from './config-problem.ts';
import type { CompileContract } from './draft.ts';
import { type InitialApi, writeInitialYaml } from './initial-yaml.ts';
import { loadConfigurationText } from './load-configuration.ts';

/** What a first configuration is made from. All paths are absolute. */
export interface InitOptions {
	/** The OpenAPI document. */
	readonly documentFile: string;
	/** The file that the configuration is going to stand in; it is not written here. */
	readonly configurationFile: string;
	/** Address of the internal service. Without a path, the path of the document's first server is added. */
	readonly upstreamUrl: string;
	/** Name of the API. Default: made from the name of the document. */
	readonly apiName?: string;
	/** Host name by which partners reach the gateway and the authorization server. Default: localhost. */
	readonly hostName?: string;
	/** SPIFFE trust domain. Default: `company.example`. */
	readonly trustDomain?: string;
	/** Compiles API contracts (`compileOperationContract`): operations for which that fails are left out. */
	readonly compileContract: CompileContract;
}

/** A first configuration. */
export interface InitialConfiguration {
	readonly yaml: string;
	readonly apiName: string;
	/** Operations that are exposed. */
	readonly operationCount: number;
	/** Operations that stand in the YAML as a comment, because they cannot be exposed. */
	readonly leftOut: readonly { readonly id: string; readonly reason: string }[];
	readonly warnings: readonly ConfigProblem[];
}

/** Makes a first configuration. The problems are those of the document, or of the options. */
export async function createInitialConfiguration(
	options: InitOptions,
): Promise<Result<InitialConfiguration, readonly ConfigProblem[]>> {
	const folder = dirname(options.configurationFile);
	const document = await loadApiDocument(options.documentFile, folder);
	if (!document.ok) {
		return fail(
			document.fault.map((problem) => ({ file: options.documentFile, line: 1, column: 1, path: '', ...problem })),
		);
	}
	const upstream = resolveUpstream(options.upstreamUrl, document.value);
	if (upstream === undefined) {
		const message = `"${options.upstreamUrl}" is no URL of an internal service`;
		return fail([{ ...wholeFile(options), message, remedy: 'Write it as https://host[:port][/path].' }]);
	}
	const api: InitialApi = {
		name: options.apiName ?? nameFromFile(options.documentFile),
		version: versionOf(document.value),
		title: titleOf(document.value),
		document: relativePath(folder, options.documentFile),
		upstream,
		isInsecure: upstream.startsWith('http:'),
		operations: document.value.operations,
	};
	const names = { hostName: options.hostName ?? 'localhost', trustDomain: options.trustDomain ?? 'company.example' };

	// Step 1: everything. Step 2: without the operations that the check refused, which become comments.
	const leftOut = new Map<string, string>();
	for (;;) {
		const yaml = writeInitialYaml(api, names, leftOut);
		const loaded = await loadConfigurationText(yaml, options.configurationFile, {
			compileContract: options.compileContract,
		});
		const ids = new Set(api.operations.map(({ id }) => id));
		if (loaded.ok) {
			return ok({
				yaml,
				apiName: api.name,
				operationCount: ids.size - leftOut.size,
				leftOut: [...leftOut].map(([id, reason]) => ({ id, reason })),
				warnings: loaded.value.warnings,
			});
		}
		const before = leftOut.size;
		for (const { path, message } of loaded.fault) {
			const id = [...ids].find((candidate) => path === formatPath(['apis', api.name, 'operations', candidate]));
			if (id !== undefined) leftOut.set(id, message);
		}
		if (leftOut.size === before || leftOut.size === ids.size) {
			return fail(
				loaded.fault.map((problem) => ({
					...wholeFile(options),
					path: problem.path,
					message: problem.message,
					remedy: problem.remedy,
				})),
			);
		}
	}
}

/** The configuration is not written when it has problems, so that places in it would lead nowhere. */
function wholeFile(options: InitOptions): Pick<ConfigProblem, 'file' | 'line' | 'column' | 'path'> {
	return { file: options.documentFile, line: 1, column: 1, path: '' };
}

function resolveUpstream(text: string, document: ApiDocument): string | undefined {
	const url = URL.parse(text);
	if (url === null || !/^https?:$/.test(url.protocol) || /[?#@]/.test(text)) return undefined;
	if (url.pathname !== '/') return url.href.replace(/\/+$/, '');
	const server = URL.parse(document.serverUrl, 'https://server.example/');
	return url.origin + (server?.pathname ?? '').replace(/\/+$/, '');
}

function nameFromFile(file: string): string {
	const stem = basename(file)
		.replace(/\.[A-Za-z]+$/, '')
		.replace(/[._-](?:openapi|swagger|oas)$/i, '');
	const name = stem
		.toLowerCase()
		.replaceAll(/[^a-z0-9]+/g, '-')
		.replaceAll(/^[^a-z]+|-+$/g, '')
		.slice(0, 63);
	return name === '' ? 'api' : name;
}

function versionOf(document: ApiDocument): string {
	return `v${/^v?(\d{1,6})/.exec(document.version)?.[1] ?? '1'}`;
}

function titleOf(document: ApiDocument): string {
	return (
		document.title
			.replaceAll(/\p{Cc}+/gu, ' ')
			.trim()
			.slice(0, 150) || 'API'
	);
}

function relativePath(folder: string, file: string): string {
	const path = relative(folder, file).split(sep).join('/');
	return path.startsWith('../') ? path : `./${path}`;
}
