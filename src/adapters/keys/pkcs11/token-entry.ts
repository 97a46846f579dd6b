// Entry of the helper process of a token. Beside src/main.ts the only file that touches `process`, because it is one.
import { serveToken } from './serve-token.ts';
import type { TokenRequest } from './token-message.ts';

serveToken({
	onRequest: (listener) => void process.on('message', (request) => listener(request as TokenRequest)),
	send: (response) => void process.send?.(response),
});
// Without the platform there is nothing to do, and nobody to do it for.
process.on('disconnect', () => process.exit(0));
