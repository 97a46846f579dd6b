// Which bytes may stand where in an HTTP/1.1 head, as tables (RFC 9110 §5.5 and §5.6.2, RFC 3986 §2).

function table(isAllowed: (byte: number) => boolean): Uint8Array {
	return Uint8Array.from({ length: 256 }, (_, byte) => (isAllowed(byte) ? 1 : 0));
}

const isVisible = (byte: number): boolean => byte > 0x20 && byte < 0x7f;

/** Bytes of a field name: `tchar`. */
export const FIELD_NAME_BYTES = table(
	(byte) => isVisible(byte) && !'"(),/:;<=>?@[\\]{}'.includes(String.fromCharCode(byte)),
);

/** Bytes of a field value: visible ASCII, space, tab, and `obs-text`, which is for the admission to judge. */
export const FIELD_VALUE_BYTES = table((byte) => isVisible(byte) || byte === 0x20 || byte === 0x09 || byte >= 0x80);

/** Bytes of a request target that are not refused before anybody looks at what they mean. */
export const TARGET_BYTES = table(isVisible);
