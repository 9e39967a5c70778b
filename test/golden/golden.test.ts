// Golden plans: each directory here holds a config.json, the host it is compiled for, and the plan that comes out,
// as `tsrun plan --list` prints it. Reviewed like code; `UPDATE_GOLDEN=1 npx tap test/golden` writes them anew.
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { compileExec } from '../../src/compile/exec.js';
import { type Compiled, compileCreate } from '../../src/compile/index.js';
import { compileRestore } from '../../src/compile/restore.js';
import { decodePlan } from '../../src/plan/decode.js';
import { encodePlan } from '../../src/plan/encode.js';
import { explainPlan } from '../../src/plan/explain.js';
import { SLOT } from '../../src/plan/op.gen.js';
import { printPlan } from '../../src/plan/print.js';
import { readDocument } from '../../src/spec/read.js';
import { validateConfig, validateProcess } from '../../src/spec/validate.js';
import { countingServices, goldenHost } from './host.js';

const CASES = fileURLToPath(new URL('./', import.meta.url));
const UPDATE = process.env['UPDATE_GOLDEN'] === '1';

function read(name: string, file: string) {
  return readDocument(readFileSync(`${CASES}${name}/${file}`), file);
}

function readOptional(name: string, file: string): { readonly [key: string]: unknown } {
  const path = `${CASES}${name}/${file}`;
  return existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : {};
}

/** A case with a process.json is an exec into the container of config.json. */
function compileCase(name: string): Compiled {
  const facts = goldenHost(readOptional(name, 'host.json'));
  const options = readOptional(name, 'options.json');
  const spec = validateConfig(read(name, 'config.json')).value;
  if (existsSync(`${CASES}${name}/process.json`)) {
    const process = validateProcess(read(name, 'process.json')).value;
    const cgroup2 = { hierarchy: 0, controllers: '', mount: '/sys/fs/cgroup', path: `/system.slice/${SLOT.id}` };
    const memory = { hierarchy: 1, controllers: 'memory', mount: '/sys/fs/cgroup/memory', path: `/${SLOT.id}` };
    const cgroups = facts.cgroup.layout === 'unified' ? [cgroup2] : [memory];
    const target = { spec, bundle: '/bundle', cgroups, unit: null, ownKeyring: true };
    return compileExec(process, target, facts, countingServices);
  }
  const fixed = { bundle: '/bundle', record: '{"record": 1}\n' };
  const { restore, ...flags } = options;
  const asked = { noPivot: false, noNewKeyring: false, systemd: null, ...flags };
  const criu = { criu: '/usr/sbin/criu', path: '/usr/sbin:/usr/bin', images: '/images', work: '/images' };
  if (restore === true) return compileRestore(spec, facts, { ...fixed, ...asked, ...criu }, countingServices);
  return compileCreate(spec, facts, { ...fixed, ...asked }, countingServices);
}

function goldenText({ plan, warnings }: Compiled): string {
  const lines = warnings.map(({ path, message }) => `  ${path}: ${message}\n`);
  return printPlan(plan) + (lines.length === 0 ? '' : `\nwarnings\n${lines.join('')}`);
}

/** As `tsrun plan` tells it, for the cases that have the file. */
function explanation(t: Test, name: string, { plan }: Compiled): void {
  const file = `${CASES}${name}/explanation.txt`;
  if (!existsSync(file)) return;
  if (UPDATE) writeFileSync(file, explainPlan(plan));
  t.equal(explainPlan(plan), readFileSync(file, 'utf8'));
}

const names = readdirSync(CASES, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => name)
  .sort();

t.ok(names.length >= 40, 'there are at least 40 golden plans');

for (const name of names) {
  t.test(`compile of golden case ${name} gives its plan.txt`, (t) => {
    const compiled = compileCase(name);
    const text = goldenText(compiled);
    const file = `${CASES}${name}/plan.txt`;
    if (UPDATE) writeFileSync(file, text);
    t.equal(text, readFileSync(file, 'utf8'));
    explanation(t, name, compiled);
    t.same(decodePlan(encodePlan(compiled.plan)), compiled.plan, 'decodePlan undoes encodePlan');
    t.end();
  });
}
