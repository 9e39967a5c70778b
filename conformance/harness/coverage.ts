/** The coverage table: each requirement with the cases that show it, or why there is none. Pure. */
import type { Requirement } from './model.js';

export function printCoverage(
  requirements: readonly Requirement[],
  cases: readonly { readonly id: string; readonly requirement: string }[],
): string {
  const covered = requirements.filter(({ uncovered }) => uncovered === undefined);
  const rows = covered.map((one) => {
    const ids = cases.filter(({ requirement }) => requirement === one.id).map(({ id }) => id);
    return `| ${one.section} | ${one.level} | ${one.text} | ${ids.length} | ${common(ids)} |`;
  });
  const missing = requirements.flatMap((one) =>
    one.uncovered === undefined ? [] : [`| ${one.section} | ${one.level} | ${one.text} | ${one.uncovered} |`],
  );
  return [
    '# What the suite covers',
    '',
    '<!-- generated: npm run conformance -- --coverage --output conformance/COVERAGE.md -->',
    '',
    `${cases.length} cases for ${covered.length} requirements; ${missing.length} requirements have none.`,
    ...['', '| section | level | requirement | cases | ids |', '|---|---|---|---|---|', ...rows],
    ...['', '## Not covered', '', '| section | level | requirement | why |', '|---|---|---|---|', ...missing, ''],
  ].join('\n');
}

/** A few ids by name, many by their common beginning. */
function common(ids: readonly string[]): string {
  if (ids.length <= 3) return ids.join(', ');
  const [first = ''] = ids;
  let length = first.length;
  for (const id of ids) while (!id.startsWith(first.slice(0, length))) length--;
  const start = first.slice(0, length).replace(/[^.]*$/, '');
  return start === '' ? `${ids.slice(0, 2).join(', ')} and ${ids.length - 2} more` : `${start}*`;
}
