// The part of the configuration that says which authorization details (RFC 9396) there are, and which operations demand
// one. The description of each field is the operator's manual; docs/configuration.md is generated from it.
import { z } from 'zod';
import { checkedText, title } from './schema-field.ts';

const jsonPath = () => checkedText(() => undefined);

const binding = z
	.strictObject({
		actions: z
			.array(z.string().min(1).max(100))
			.max(20)
			.default([])
			.describe('Actions that the `actions` of the detail must hold, all of them.'),
		resources: z
			.record(z.string().min(1).max(63), jsonPath())
			.default({})
			.describe(
				'From a resource type of the operation to the place in the detail (JSONPath) that names the ids which may be ' +
					'touched, such as `account: $.debtorAccount`. A type that is not listed is held to the grants of the ' +
					'subscription only.',
			),
		matches: z
			.array(
				z
					.strictObject({
						body: jsonPath().describe('Place in the request body (JSONPath), such as `$.instructedAmount.amount`.'),
						detail: jsonPath().describe('Place in the detail (JSONPath) that must hold exactly the same value.'),
					})
					.describe('One place of the body that must be as the detail says.'),
			)
			.max(20)
			.default([])
			.describe('Places of the body that must hold what the detail holds, such as the amount of a payment.'),
	})
	.describe('What the operation demands of the detail.');

const detailType = z
	.strictObject({
		title: title().describe('Name that partners read.'),
		schema: z
			.record(z.string(), z.unknown())
			.describe(
				'JSON Schema (2020-12) of the whole detail, with `type: object`, `properties` and `additionalProperties: ' +
					'false`. The member `type` is added and held to the name of the type. A detail that does not fit is ' +
					'refused when a token is asked for, and again at the gateway.',
			),
		operations: z
			.record(z.string().min(1).max(300), binding)
			.describe(
				'Operations that demand a detail of this type, by `<api>/<version>/<operation>`. A token without a fitting ' +
					'detail is refused there, whatever its scopes say. Where several types name one operation, a detail of any ' +
					'of them will do. Operations that no type names never look at the details of a token.',
			),
	})
	.describe('One type of authorization detail.');

/** The section `authorizationDetails`. */
export const authorizationDetailsSchema = z
	.strictObject({
		types: z
			.record(z.string().min(1).max(200), detailType)
			.default({})
			.describe('The types, by the text that the `type` of a detail holds. At most 100.'),
	})
	.prefault({})
	.describe('Authorization details (RFC 9396): tokens that permit one exact thing, such as one payment.');
