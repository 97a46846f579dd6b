// Loads the OpenAPI document of an API: reads it and the files that it refers to, and lists its operations.
import type { OpenApiDocument } from '../domain/api/api.ts';
import { fail, ok, type Result } from '../kernel/result.ts';
import { DocumentFiles, type DocumentProblem } from './document-files.ts';
import { type DocumentOperation, listDocumentOperations } from './document-operations.ts';
import { projectDocument } from './document-projection.ts';
import { DocumentReferences, memberOf, textMemberOf } from './document-reference.ts';

/** A document that was read, with the operations that can be exposed. */
export interface ApiDocument {
	readonly title: string;
	/** `info.version` of the document. */
	readonly version: string;
	/** URL of the first server, with the defaults of its variables; '' for none. */
	readonly serverUrl: string;
	readonly operations: readonly DocumentOperation[];
	/** Makes the contract of some of the operations: one object with local references only. */
	project(operations: readonly DocumentOperation[]): Promise<Result<OpenApiDocument, readonly DocumentProblem[]>>;
}

const SUPPORTED = /^3\.[012]\.\d+(?:-[A-Za-z0-9.]+)?$/;

/** Loads the document at the absolute path `file`. References may lead to files in `folder` only. */
export async function loadApiDocument(
	file: string,
	folder: string,
): Promise<Result<ApiDocument, readonly DocumentProblem[]>> {
	const files = new DocumentFiles(file, folder);
	const read = await files.read(file);
	if (!read.ok) return read;
	const root = files.get(file);
	const version = memberOf(root, 'openapi');
	if (typeof version !== 'string' || !SUPPORTED.test(version)) return fail([explainVersion(root)]);
	const operations = await withFiles(files, listDocumentOperations);
	if (!operations.ok) return operations;
	const info = memberOf(root, 'info');
	return ok({
		title: textMemberOf(info, 'title'),
		version: textMemberOf(info, 'version'),
		serverUrl: readServerUrl(root),
		operations: operations.value,
		project: (chosen) => withFiles(files, (references) => projectDocument(references, chosen)),
	});
}

/** Runs `work` until every file that it follows a reference to has been read. Each round reads one more file at least. */
async function withFiles<T>(
	files: DocumentFiles,
	work: (references: DocumentReferences) => T,
): Promise<Result<T, readonly DocumentProblem[]>> {
	for (;;) {
		const references = new DocumentReferences(files);
		const value = work(references);
		if (references.missingFiles.size === 0)
			return references.problems.length === 0 ? ok(value) : fail(references.problems);
		for (const file of references.missingFiles) {
			const read = await files.read(file);
			if (!read.ok) return read;
		}
	}
}

function explainVersion(root: unknown): DocumentProblem {
	if (memberOf(root, 'swagger') !== undefined) {
		return {
			message: 'the document is Swagger 2.0',
			remedy:
				'Convert it to OpenAPI 3 (editor.swagger.io and swagger2openapi do it), review the result and name it here.',
		};
	}
	const found = textMemberOf(root, 'openapi');
	if (found === '') {
		return {
			message: 'the file is no OpenAPI document',
			remedy: 'Name a file that begins with "openapi: 3.1.0" or the like.',
		};
	}
	return { message: `OpenAPI ${found} is not supported`, remedy: 'Use OpenAPI 3.0, 3.1 or 3.2.' };
}

function readServerUrl(root: unknown): string {
	const servers = memberOf(root, 'servers');
	const server: unknown = Array.isArray(servers) ? servers[0] : undefined;
	const url = memberOf(server, 'url');
	if (typeof url !== 'string') return '';
	const variables = memberOf(server, 'variables');
	return url.replaceAll(/\{([^{}]{1,100})\}/g, (_, name: string) => {
		const value = memberOf(memberOf(variables, name), 'default');
		return typeof value === 'string' ? value : '';
	});
}
