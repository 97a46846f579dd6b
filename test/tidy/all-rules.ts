// The tidy rules of this repository, in one list.
import { documentRules } from './document-rules.ts';
import { faultRule } from './fault-rule.ts';
import { hostileCaseRule } from './hostile-case-rule.ts';
import { importRules } from './import-rules.ts';
import { nameRules } from './name-rules.ts';
import { sourceRules } from './source-rules.ts';
import type { Rule } from './tree.ts';
import { wordRules } from './word-rules.ts';

/** Every rule that the repository is held to. */
export const allRules: readonly Rule[] = [
	...importRules,
	...sourceRules,
	...nameRules,
	...wordRules,
	...documentRules,
	hostileCaseRule,
	faultRule({ notRaised: [], notTested: [] }),
];
