/** collect: yargs and what stands in its place where a start must be fast read the same values out of the same tokens. */
import fc from 'fast-check';
import t from 'tap';
import { collect } from '../../src/cli/collect.js';
import { collect as collectPlain } from '../../src/cli/collect-plain.js';
import { allCommands } from '../../src/cli/commands.js';
import { GLOBAL_OPTIONS, type OptionTable } from '../../src/cli/options.js';

const commands = await allCommands();
const TABLES: readonly OptionTable[] = [GLOBAL_OPTIONS, ...commands.map(({ options }) => options)];
const VALUES = ['', 'a', '-x', '--help', '"q"', "'", 'a=b', '0', '007', 'true', 'a b', '[1]', 'ä', 'a.b', '__proto__'];

/** The tokens of argv.ts. */
function tokensOf(table: OptionTable) {
  const names = Object.keys(table);
  const value = fc.oneof(fc.constantFrom(...VALUES), fc.string());
  return fc.array(
    fc
      .tuple(fc.constantFrom(...names), value, fc.boolean())
      .map(([name, text, on]) => (table[name]?.kind === 'flag' ? `--${name}=${on}` : `--${name}=:${text}`)),
    { maxLength: 6 },
  );
}

/** As argv.ts reads a flag: of a repeated one the last counts, and one that was not given is off. */
function readable(values: { readonly [name: string]: unknown }, table: OptionTable): unknown {
  return Object.entries(table).map(([name, { kind }]) => {
    const value = values[name];
    if (kind !== 'flag') return value ?? [];
    return Array.isArray(value) ? value.at(-1) === true : value === true;
  });
}

t.test('collect and its plain twin agree on the options of every command', async (t) => {
  for (const table of TABLES) {
    const same = fc.property(tokensOf(table), (tokens) => {
      t.same(readable(collectPlain(tokens, table), table), readable(collect(tokens, table), table), tokens.join(' '));
    });
    fc.assert(same, { numRuns: 20 });
  }
  t.pass('the same');
});
