// A client is an OAuth client of a partner (RFC 6749 §2): the thing that authenticates and calls.
import type { ClientId, PartnerId } from '../../kernel/ids.ts';
import type { AuthenticationMethod, SenderConstraint } from './authentication-method.ts';

export type ClientEnvironment = 'sandbox' | 'production';

export interface Client {
	readonly id: ClientId;
	readonly partnerId: PartnerId;
	readonly name: string;
	readonly environment: ClientEnvironment;
	/** How it proves itself at the token endpoint. Never changes: another method is another client. */
	readonly authenticationMethod: AuthenticationMethod;
	/** What its access tokens are bound to. Never changes. */
	readonly senderConstraint: SenderConstraint;
	readonly status: 'active' | 'disabled';
	/** Tokens of this client issued before this second (JWT `iat`) are refused; 0 when nothing was cut off. */
	readonly tokensNotBeforeSeconds: number;
	readonly createdAtMs: number;
	readonly updatedAtMs: number;
	readonly revision: number;
}
