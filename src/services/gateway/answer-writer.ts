// Writes an answer that streams, as fast as the partner takes it.
import type { Exchange } from './exchange.ts';

export class AnswerWriter {
	readonly #exchange: Exchange;
	readonly #onRoom: () => void;
	#isDraining = false;

	/** `onRoom` is called when there is room again after a piece that filled it. */
	constructor(exchange: Exchange, onRoom: () => void) {
		this.#exchange = exchange;
		this.#onRoom = onRoom;
	}

	/** Writes one piece; false asks for a pause until `onRoom` is called. */
	write(chunk: Buffer): boolean {
		const { response } = this.#exchange;
		this.#exchange.answerBytes += chunk.length;
		if (response.write(chunk)) return true;
		if (!this.#isDraining) {
			this.#isDraining = true;
			response.once('drain', () => {
				this.#isDraining = false;
				this.#onRoom();
			});
		}
		return false;
	}
}
