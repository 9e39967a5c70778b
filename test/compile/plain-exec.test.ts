// The plan of a plain exec that create compiles: for each golden container it is what exec would compile itself.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import t from 'tap';
import { compileExec, plannedBy } from '../../src/compile/exec.js';
import { compileCreate } from '../../src/compile/index.js';
import { decodePlan } from '../../src/plan/decode.js';
import { encodePlan } from '../../src/plan/encode.js';
import { EXEC_LISTS } from '../../src/plan/plan.js';
import { documentOf, readDocument } from '../../src/spec/read.js';
import { validateConfig, validateProcess } from '../../src/spec/validate.js';
import { countingServices, goldenHost } from '../golden/host.js';

const CASES = 'test/golden';

const json = (path: string) => (existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : {});

const names = readdirSync(CASES, { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && !existsSync(`${CASES}/${entry.name}/process.json`))
  .map(({ name }) => name);

t.ok(names.length >= 40, 'there are at least 40 containers');

for (const name of names) {
  t.test(`compilePlainExec of golden case ${name} gives what compileExec gives`, async (t) => {
    const facts = goldenHost(json(`${CASES}/${name}/host.json`));
    const { restore, ...asked } = json(`${CASES}/${name}/options.json`);
    const spec = validateConfig(readDocument(readFileSync(`${CASES}/${name}/config.json`), 'config.json')).value;
    const fixed = { bundle: '/bundle', record: '', noPivot: false, noNewKeyring: false, systemd: null };
    const options = { ...fixed, ...asked, ...(spec.process === undefined ? {} : { exec: spec.process }) };
    const { plan } = compileCreate(spec, facts, options, countingServices);
    const seccompNotifies = plan.lists.setup.some(({ op }) => op === 'LISTENER_PAGE');
    t.equal(plan.exec === undefined, spec.process === undefined || seccompNotifies, 'there is one');
    t.same(decodePlan(encodePlan(plan)), plan, 'the bytes hold it');
    if (plan.exec === undefined || spec.process === undefined) return;
    const process = validateProcess(documentOf({ ...spec.process, terminal: false }, 'process.json')).value;
    const target = { spec, bundle: '/bundle', ...plannedBy(plan.lists) };
    const later = compileExec(process, target, facts, countingServices).plan.lists;
    t.same(plan.exec, Object.fromEntries(EXEC_LISTS.map((list) => [list, later[list]])));
  });
}
