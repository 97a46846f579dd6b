// Holds the body of a request to the contract: its media type, its syntax, its schema. What passes is the value that
// later stages decide from; the bytes that are forwarded are the bytes that were read here.
import { fault, type Fault } from '../../kernel/faults.ts';
import { dereference, isObject, type Json, member, type Problems, pointerTo } from './document.ts';
import { compileFormParser } from './form-body.ts';
import {
	createMediaTypeTable,
	FORM_MEDIA_TYPE,
	isJsonMediaType,
	isJsonText,
	type MediaType,
	parseMediaType,
} from './media-type.ts';
import { parseRequestJson } from './request-json.ts';
import type { SchemaLibrary, Validator } from './schema-library.ts';

/** A body that was held to the contract. */
export interface CheckedBody {
	readonly fault: Fault | undefined;
	/** The parsed body; undefined when there is none, or when its media type has no structure that is read. */
	readonly value: unknown;
}

/** Checks the body of a request; `body` is undefined when there is none. */
export type BodyCheck = (contentType: string | undefined, body: Buffer | undefined) => CheckedBody;

/** What the contract says of the body of a request. */
export interface RequestBodyContract {
	readonly check: BodyCheck;
	/** Whether a body of this media type is taken without being read. */
	readonly isOpaque: (contentType: string) => boolean;
	/** Whether there is such a media type at all. */
	readonly hasOpaque: boolean;
}

type MediaCheck = (body: Buffer) => CheckedBody;

const NOTHING: CheckedBody = { fault: undefined, value: undefined };
/** Larger bodies are told their first error only: collecting all of them could cost far more than reading the body. */
const ALL_ERRORS_BODY_BYTES_MAX = 16_384;
const ERRORS_MAX = 20;
const POINTER_LENGTH_MAX = 200;

/** Compiles the request body of an operation; `declared` is its `requestBody`, undefined when it takes none. */
export function compileRequestBody(
	declared: unknown,
	place: string,
	library: SchemaLibrary,
	problems: Problems,
): RequestBodyContract {
	if (declared === undefined) return TAKES_NONE;
	const target = dereference(library.document, declared, place, problems);
	const content = target === undefined ? undefined : member(target.object, 'content');
	if (target === undefined || !isObject(content) || Object.keys(content).length === 0) {
		problems.push(`${place}: a request body declares at least one media type in its content`);
		return TAKES_NONE;
	}
	const entries = Object.entries(content).flatMap(([key, media]) => {
		const at = pointerTo(target.place, 'content', key);
		const type = parseMediaType(key);
		if (type !== undefined && isObject(media)) return { type, value: compileMedia(type, media, at, library, problems) };
		problems.push(`${at}: a media type with an object is expected here`);
		return [];
	});
	const find = createMediaTypeTable(entries);
	const isRequired = member(target.object, 'required') === true;
	const missing = refused(fault('body_malformed', 'This operation needs a request body.'));
	const unsupported = refused(
		fault(
			'media_type_unsupported',
			`Send the body as ${entries.map(({ type }) => type.essence).join(' or ')}, in UTF-8.`,
		),
	);
	return {
		check(contentType, body) {
			if (body === undefined || body.length === 0) return isRequired ? missing : NOTHING;
			const check = contentType === undefined ? undefined : find(contentType);
			return check === undefined ? unsupported : check(body);
		},
		// A range such as */* takes JSON as well; what is JSON is never passed on unread.
		isOpaque: (contentType) => find(contentType) === takeUnread && !isJsonText(contentType),
		hasOpaque: entries.some(({ value }) => value === takeUnread),
	};
}

const NO_BODY_TAKEN = refused(fault('body_malformed', 'This operation takes no request body.'));

const TAKES_NONE: RequestBodyContract = { check: refuseBody, isOpaque: () => false, hasOpaque: false };

function takeUnread(): CheckedBody {
	return NOTHING;
}

function refuseBody(_contentType: string | undefined, body: Buffer | undefined): CheckedBody {
	return body === undefined || body.length === 0 ? NOTHING : NO_BODY_TAKEN;
}

function compileMedia(
	type: MediaType,
	media: Json,
	place: string,
	library: SchemaLibrary,
	problems: Problems,
): MediaCheck {
	const isJson = isJsonMediaType(type.essence);
	if (!isJson && type.essence !== FORM_MEDIA_TYPE) return takeUnread;
	const schema = member(media, 'schema') ?? true;
	const at = pointerTo(place, 'schema');
	const validate = library.compile(schema, at, problems);
	const explain = library.compile(schema, at, problems, true);
	const judge = (value: unknown, bytes: number): CheckedBody => {
		if (validate(value)) return { fault: undefined, value };
		if (bytes > ALL_ERRORS_BODY_BYTES_MAX) return refused(breach(validate));
		explain(value);
		return refused(breach(explain));
	};
	if (isJson) {
		return (body) => {
			const parsed = parseRequestJson(body);
			if (!parsed.ok) return refused(fault('body_malformed', parsed.problem));
			return judge(parsed.value, body.length);
		};
	}
	const parseForm = compileFormParser(library.document, schema);
	return (body) => {
		const parsed = parseForm(body);
		return parsed.ok ? judge(parsed.value, body.length) : refused(fault('body_malformed', parsed.problem));
	};
}

function refused(reason: Fault): CheckedBody {
	return { fault: reason, value: undefined };
}

/** Names where the body breaks its schema and how. The words come from the schema, never from the body. */
function breach(validate: Validator): Fault {
	const errors: { pointer: string; detail: string }[] = [];
	for (const error of validate.errors ?? []) {
		if (errors.length === ERRORS_MAX) break;
		errors.push({
			pointer: error.instancePath.slice(0, POINTER_LENGTH_MAX),
			detail: describe(error.keyword, error.message),
		});
	}
	return fault('body_invalid', 'The body breaks the API contract; `errors` says where and how.', {
		members: { errors },
	});
}

function describe(keyword: string, message: string | undefined): string {
	if (keyword === 'false schema') return 'must not be sent';
	if (keyword === 'additionalProperties' || keyword === 'unevaluatedProperties')
		return 'has a member that the contract does not declare';
	return message ?? 'breaks the schema';
}
