// Walks the repository and holds it to the rules of test/tidy; and proves on a bad sample that each rule reports.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { allRules } from './tidy/all-rules.ts';
import { badSample, expectedViolations } from './tidy/bad-sample.ts';
import { faultRule } from './tidy/fault-rule.ts';
import { scanSource } from './tidy/source.ts';
import { readTree, type Tree, type Violation } from './tidy/tree.ts';

describe('the repository is tidy', () => {
	const tree = readTree(join(import.meta.dirname, '..'));

	it('is read as a whole', () => {
		for (const file of ['src/main.ts', 'src/kernel/faults.ts', 'package.json', '.ci/run', 'sallyport']) {
			assert.ok(tree.files.has(file), `${file} was not read`);
		}
	});

	for (const rule of allRules) {
		it(rule.name, () => {
			assert.deepEqual(rule.check(tree).map(show), []);
		});
	}
});

describe('the tidy rules report what is not tidy', () => {
	let folder: string;
	let tree: Tree;

	before(() => {
		folder = mkdtempSync(join(tmpdir(), 'sallyport-tidy-'));
		for (const [path, content] of Object.entries(badSample)) {
			mkdirSync(dirname(join(folder, path)), { recursive: true });
			writeFileSync(join(folder, path), content);
		}
		tree = readTree(folder);
	});
	after(() => rmSync(folder, { recursive: true }));

	it('has a sample for each rule', () => {
		assert.deepEqual(Object.keys(expectedViolations).sort(), allRules.map((rule) => rule.name).sort());
	});

	for (const rule of allRules) {
		it(`reports exactly the sample against: ${rule.name}`, () => {
			const found = rule.check(tree).map(show);
			const expected = expectedViolations[rule.name] ?? [];
			assert.equal(found.length, expected.length, found.join('\n'));
			for (const pattern of expected)
				assert.ok(
					found.some((line) => pattern.test(line)),
					`${pattern}: ${found.join('\n')}`,
				);
		});
	}

	it('reports a known missing fault that is not missing any more', () => {
		const rule = faultRule({ notRaised: ['never_raised', 'kept'], notTested: ['never_tested'] });
		assert.deepEqual(rule.check(tree).map(show), [
			'src/kernel/faults.ts:3 kept is raised by any code now: take it off the list of what is missing',
		]);
	});
});

describe('the scanner of the tidy rules', () => {
	it('finds every form of import, and none in comments and literals', () => {
		const text = [
			"import a, { type B } from './a.ts';",
			'import {',
			'	c,',
			"} from './c.ts';",
			"import type { D } from './d.ts';",
			"import './e.ts';",
			"const f = await import('./f.ts');",
			"export { g } from './g.ts';",
			"import { type H, type I } from './h.ts';",
			"// import x from './no.ts';",
			"const text = `import y from './no.ts'; ${f} '`;",
			'const pattern = /[/\'"`]/; const quotient = a / c; /* " */',
			"import * as j from './j.ts';",
		].join('\n');
		const { imports } = scanSource('src/x/x.ts', text);
		assert.deepEqual(
			imports
				.map(({ specifier, isTypeOnly, isReexport, line }) => [specifier, isTypeOnly, isReexport, line])
				.sort((one, other) => Number(one[3]) - Number(other[3])),
			[
				['./a.ts', false, false, 1],
				['./c.ts', false, false, 4],
				['./d.ts', true, false, 5],
				['./e.ts', false, false, 6],
				['./f.ts', false, false, 7],
				['./g.ts', false, true, 8],
				['./h.ts', true, false, 9],
				['./j.ts', false, false, 13],
			],
		);
	});

	it('keeps every line and position', () => {
		const text = "const a = 'x\\'y'; // c\nconst b = `l1\nl2 ${a /* } */} l3`;\n";
		const { code } = scanSource('a.ts', text);
		assert.equal(code.length, text.length);
		assert.equal(code, "const a = '    ';     \nconst b = `  \n   ${a        }   `;\n");
	});
});

function show({ file, line, message }: Violation): string {
	return `${file}:${line} ${message}`;
}
