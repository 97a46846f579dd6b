// The certificates that the owner brings along for a listener, read again when their files change. A file that is missing,
// half written or wrong changes nothing: the last good certificate is shown on, and the log says so.
import { createHash } from 'node:crypto';
import { type OwnCertificate, type TlsListener } from '../../config/configuration.ts';
import { rereadIdentity } from '../../config/identity-files.ts';
import type { Clock } from '../../kernel/clock.ts';
import type { Log } from '../../kernel/log.ts';
import type { NamedIdentity, TlsIdentity } from '../gateway/messages.ts';

export interface OwnCertificates {
	/** The certificate for the names of the listener; undefined = issued by the CA of the platform. */
	main(): TlsIdentity | undefined;
	/** The certificates for further names. */
	further(): readonly NamedIdentity[];
	/** Reads all files again; true when something else is to be shown now. */
	reread(): Promise<boolean>;
}

/** Follows the certificates of one listener. */
export function createOwnCertificates(
	listenerName: string,
	listener: TlsListener,
	clock: Clock,
	log: Log,
): OwnCertificates {
	let main = listener.certificate;
	let further = listener.certificates;
	/** What was complained of last, so that the log is not filled with it. */
	const complaints = new Map<string, string>();
	const readOne = async (one: OwnCertificate, names: readonly string[]): Promise<OwnCertificate> => {
		const read = await rereadIdentity(one, names, clock);
		if (read.ok) {
			complaints.delete(one.certificateFile);
			return { ...one, ...read.value };
		}
		if (complaints.get(one.certificateFile) !== read.fault) {
			complaints.set(one.certificateFile, read.fault);
			log.error('a certificate cannot be read again; the last good one is shown on', {
				'listener.name': listenerName,
				'file.path': one.certificateFile,
				'error.message': read.fault,
			});
		}
		return one;
	};
	return {
		main: () => main,
		further: () => further,
		async reread() {
			const before = fingerprint([main, ...further]);
			if (main !== undefined) main = await readOne(main, listener.names);
			const read: (OwnCertificate & { readonly names: readonly string[] })[] = [];
			for (const one of further) read.push({ ...(await readOne(one, one.names)), names: one.names });
			further = read;
			return fingerprint([main, ...further]) !== before;
		},
	};
}

function fingerprint(certificates: readonly (OwnCertificate | undefined)[]): string {
	const hash = createHash('sha256');
	for (const one of certificates) hash.update(one === undefined ? '' : one.chain + one.key).update('\0');
	return hash.digest('hex');
}
