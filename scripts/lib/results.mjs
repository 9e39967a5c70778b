// conformance/RESULTS.md from JSON reports of the suite. Pure: reports and lists of deviations in, text out.
const covers = ({ case: name }, id) => {
  const parts = name.split('*').map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${parts.join('.*')}$`).test(id);
};
const cell = (text) => String(text).replaceAll('\n', ' ').replaceAll('|', '\\|').replaceAll('<', '&lt;').trim();
const table = (head, rows) => [row(head), row(head.map(() => '---')), ...rows.map(row)];
const row = (cells) => `| ${cells.join(' | ')} |`;

/**
 * reports: what the suite printed, with name (of the runtime, its version) and place (which of our kernels).
 * deviations: by name, the lists of conformance/expected. cases: how many the whole suite has.
 */
export function printResults(reports, deviations, cases) {
  const names = [...new Set(reports.map(({ name }) => name))];
  const places = new Map(reports.map(({ place, host, about }) => [place, { host: host.replace(/,.*/, ''), about }]));
  return [
    ...['# Results', '', '<!-- generated: npm run conformance:results -->', ''],
    'How many cases each runtime passes on each kernel, where it deviates from the specification, and why. A case is skipped',
    'where the host cannot show it.',
    ...['', ...totals(reports, cases), ''],
    'Times are those of the machine that ran it, whatever else it did.',
    '',
    ...[...places].map(([place, { host, about }]) => `- **${place}**: ${host}${about ? `; ${about}` : ''}`),
    ...['', '## By section of the specification', '', 'Passed of those that ran.', '', ...sections(reports)],
    ...names.flatMap((name) => ['', `## Deviations of ${name}`, '', ...rowsOf(name, reports, deviations[name] ?? [])]),
    ...['', '## Skipped', '', 'Reason, and number of cases.', '', ...skips(reports), ''],
  ].join('\n');
}

function totals(reports, cases) {
  const rows = reports.map(({ name, place, passed, failed, skipped, seconds, results }) => {
    const part = results.length < cases ? `${results.length} of ${cases} cases` : 'all';
    return [name, place, passed, failed, skipped, part, `${seconds.toFixed(0)} s`];
  });
  return table(['runtime', 'kernel', 'passed', 'failed', 'skipped', 'run', 'time'], rows);
}

function sections(reports) {
  const names = [...new Set(reports.flatMap(({ results }) => results.map(({ section }) => section)))].sort();
  const of = ({ results }, section) => {
    const ours = results.filter((result) => result.section === section && result.status !== 'skipped');
    return ours.length === 0 ? '–' : `${ours.filter(({ status }) => status === 'passed').length}/${ours.length}`;
  };
  const head = ['section', ...reports.map(({ name, place }) => `${name}, ${place}`)];
  return table(
    head,
    names.map((name) => [name, ...reports.map((report) => of(report, name))]),
  );
}

/** One row for each reason: the cases, where they fail, the sentence of the specification in our words. */
function rowsOf(name, reports, list) {
  const failed = new Map();
  for (const { place, results } of reports.filter((report) => report.name === name))
    for (const result of results.filter(({ status }) => status === 'failed'))
      failed.set(result.id, { ...result, places: [...(failed.get(result.id)?.places ?? []), place] });
  const all = [...failed.values()];
  const rows = list.flatMap((entry) => {
    const ours = all.filter(({ id }) => failed.has(id) && covers(entry, id));
    for (const { id } of ours) failed.delete(id);
    return ours.length === 0 ? [] : [deviation(entry.case, ours, cell(entry.reason))];
  });
  for (const result of failed.values())
    rows.push(deviation(result.id, [result], `not explained: ${cell(result.detail).slice(0, 200)}`));
  return rows.length === 0 ? ['None.'] : table(['cases', 'failing', 'on', 'requirement', 'why'], rows);
}

function deviation(cases, results, why) {
  const [{ level, section, text }] = results;
  const places = [...new Set(results.flatMap((result) => result.places))].join(', ');
  return [`\`${cases}\``, results.length, places, `${section}, ${level}: ${cell(text)}`, why];
}

function skips(reports) {
  const reasons = new Map();
  for (const { name, place, results } of reports)
    for (const { detail } of results.filter(({ status }) => status === 'skipped')) {
      const known = reasons.get(detail) ?? new Map();
      known.set(`${name}, ${place}`, (known.get(`${name}, ${place}`) ?? 0) + 1);
      reasons.set(detail, known);
    }
  const rows = [...reasons].sort(([a], [b]) => (a < b ? -1 : 1));
  return table(
    ['reason', 'cases'],
    rows.map(([reason, known]) => [cell(reason), [...known].map(([where, count]) => `${where}: ${count}`).join('; ')]),
  );
}
