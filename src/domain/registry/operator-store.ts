// Operators are the people and programs of the owner that may use the admin API. They authenticate by a
// certificate of the platform CA, known by its exact thumbprint.
import type { OperatorId } from '../../kernel/ids.ts';

export interface Operator {
	readonly id: OperatorId;
	readonly name: string;
	readonly status: 'active' | 'disabled';
	/** base64url SHA-256 of the DER certificate. */
	readonly thumbprint: string;
	readonly createdAtMs: number;
	readonly updatedAtMs: number;
	readonly revision: number;
}

export interface OperatorStore {
	insert(operator: Operator): Promise<void>;
	get(id: OperatorId): Promise<Operator | undefined>;
	findByThumbprint(thumbprint: string): Promise<Operator | undefined>;
	list(): Promise<readonly Operator[]>;
	update(operator: Operator, expectedRevision: number): Promise<void>;
}
