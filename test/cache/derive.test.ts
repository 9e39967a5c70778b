// Templates of plans: whatever stands in the slots, the plan is the one that a full compile gives. The configs are those
// that engines write (test/golden).
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import t, { type Test } from 'tap';
import { bundleSource, type Reading } from '../../src/cache/bundle-source.js';
import { type Derived, derive, NotCacheable, type Source } from '../../src/cache/derive.js';
import { fillParts } from '../../src/cache/pattern.js';
import { processSource } from '../../src/cache/process-source.js';
import { fits, type Slot } from '../../src/cache/slots.js';
import type { CgroupPlace } from '../../src/compile/cgroup.js';
import { compileExec, plannedBy } from '../../src/compile/exec.js';
import { compileCreate } from '../../src/compile/index.js';
import { decodePlan } from '../../src/plan/decode.js';
import { encodePlan } from '../../src/plan/encode.js';
import { HEADER_SIZE, LISTS, OP_SHAPES, RECORD_SIZE } from '../../src/plan/op.gen.js';
import { EXEC_LISTS, type Plan } from '../../src/plan/plan.js';
import { readDocument, type SourceDocument } from '../../src/spec/read.js';
import { validateConfig, validateProcess } from '../../src/spec/validate.js';
import { buildRecord } from '../../src/state/record.js';
import { countingServices, goldenHost } from '../golden/host.js';

const GOLDEN = fileURLToPath(new URL('../golden/', import.meta.url));
const ENGINES = ['docker-like', 'podman-like', 'containerd-pod-container', 'kubernetes-pause', 'hooks-all'];
const BUNDLE = '/run/bundles/first';

function read(config: string, path: string): Reading {
  const bytes = Buffer.from(config);
  const document = readDocument(bytes, 'config.json');
  return { path, bytes, document, spec: validateConfig(document).value };
}

/** No config here depends on resctrl; one that asks is not kept (src/runtime/remember.ts). */
const facts = Object.defineProperty(goldenHost({ lsm: { apparmor: true, selinux: false } }), 'resctrl', {
  get: () => {
    throw new NotCacheable();
  },
});

function compile({ path, spec }: Reading): Plan {
  const ofUnit = (spec.linux?.cgroupsPath ?? '').includes(':');
  const record = buildRecord({ id: '\u0001I', created: '\u0001C', bundle: path, config: spec, systemd: ofUnit });
  const systemd = ofUnit ? { id: 'never asked' } : null;
  const options = { bundle: path, noPivot: false, noNewKeyring: false, systemd, record };
  const exec = spec.process === undefined ? {} : { exec: spec.process };
  return compileCreate(spec, facts, { ...options, ...exec }, countingServices).plan;
}

function sourceOf(config: string, path = BUNDLE): Source {
  const bundle = read(config, path);
  return bundleSource(bundle, compile(bundle), compile);
}

function derivedFrom(source: Source): Derived {
  const derived = derive('head\n', source);
  if (derived === undefined) throw new Error('no entry');
  return derived;
}

const deriveFrom = (config: string, path = BUNDLE): Derived => derivedFrom(sourceOf(config, path));

/** The bundle with other values in the slots. */
function filled({ parts }: Source, values: readonly string[]): Reading {
  const [path = '', , config = ''] = fillParts(parts, values);
  return read(config, path);
}

/** What csrc/launcher/match.c does with a match: the plan with the values in its texts. */
function substitute({ template }: Derived, values: readonly string[]): Plan {
  const texts = new Map(
    template.patches.map(({ at, count, pieces }) => {
      const text = pieces.map((piece) => (typeof piece === 'number' ? (values[piece] ?? '') : piece)).join('');
      return [at, count === undefined ? text : text.split('\0').slice(0, -1)] as const;
    }),
  );
  const plan = decodePlan(template.plan);
  let at = HEADER_SIZE;
  const fill = (op: Plan['lists']['init'][number]) => {
    const fields = OP_SHAPES[op.op].fields.flatMap(({ name, offset }) =>
      texts.has(at + offset) ? [[name, texts.get(at + offset)]] : [],
    );
    at += RECORD_SIZE;
    return { ...op, ...Object.fromEntries(fields) };
  };
  const lists = Object.fromEntries(LISTS.map((list) => [list, plan.lists[list].map(fill)]));
  const exec = plan.exec && Object.fromEntries(EXEC_LISTS.map((list) => [list, plan.exec?.[list].map(fill)]));
  return { stateJson: texts.get(24) ?? plan.stateJson, lists, ...(exec && { exec }) } as unknown as Plan;
}

/** What the launcher takes for this entry: csrc/launcher/match.c, are_apart(). */
function areApart({ apart }: Derived, values: readonly string[]): boolean {
  const [rootfs = '', ...sources] = apart.map((pieces) =>
    pieces.map((piece) => (typeof piece === 'number' ? (values[piece] ?? '') : piece)).join(''),
  );
  return !sources.some((source) => source === rootfs || source.startsWith(`${rootfs}/`));
}

function sameBytes(t: Test, actual: Plan, expected: Plan): void {
  t.ok(Buffer.from(encodePlan(actual)).equals(encodePlan(expected)), 'the same plan, byte for byte');
}

const golden = (name: string) => JSON.parse(readFileSync(`${GOLDEN}${name}/config.json`, 'utf8'));

const NAME = fc.stringMatching(/^[A-Za-z0-9._@+,=-]{1,20}$/).filter((name) => !/^\.{1,2}$/.test(name));
const VALUES = {
  path: () => fc.array(NAME, { minLength: 1, maxLength: 5 }).map((names) => `/${names.join('/')}`),
  text: ({ min, max }: Slot) =>
    fc.stringMatching(/^[ !#-[\]-~]*$/, { maxLength: 64 }).filter((text) => text.length >= min && text.length <= max),
  word: ({ min, max }: Slot) =>
    fc.oneof(fc.stringMatching(/^[A-Za-z0-9_]{1,64}$/), fc.constantFrom('x'.repeat(min), 'x'.repeat(max))),
} as const;

const onSystemd = (cgroupsPath: string) => {
  const config = golden('containerd-pod-container');
  return { ...config, linux: { ...config.linux, cgroupsPath } };
};

/** As kubelet and CRI-O, Docker and Podman name units. */
const UNITS = {
  'a pod on systemd': onSystemd('kubepods-besteffort-pod1234_abcd.slice:cri-containerd:0123456789abcdef'),
  'a container on systemd': onSystemd('system.slice:docker:0123456789abcdef'),
  'a unit without slice and prefix': onSystemd('::name'),
};

const CONFIGS = { ...Object.fromEntries(ENGINES.map((name) => [name, golden(name)])), ...UNITS };

for (const [name, config] of Object.entries(CONFIGS)) {
  t.test(`for ${name}, derive() gives what compileCreate() does, whatever is in the slots`, (t) => {
    const source = sourceOf(JSON.stringify(config));
    const derived = derivedFrom(source);
    const { pattern } = derived;
    t.ok(pattern.slots.length > 3, 'it has slots');
    sameBytes(t, substitute(derived, pattern.values), compile(read(JSON.stringify(config), BUNDLE)));
    fc.assert(
      fc.property(fc.tuple(...pattern.slots.map((slot) => VALUES[slot.kind](slot))), (values) => {
        fc.pre(areApart(derived, values));
        sameBytes(t, substitute(derived, values), compile(filled(source, values)));
      }),
      { numRuns: 25 },
    );
    t.end();
  });

  t.test(`for ${name}, the entry holds no value of a slot`, (t) => {
    const secret = 'hunter2-is-the-secret';
    const { pattern, template } = deriveFrom(
      JSON.stringify({ ...config, process: { ...config.process, env: [`TOKEN=${secret}`] } }),
    );
    t.notOk(pattern.literals.join().includes(secret));
    t.notOk(JSON.stringify(template.patches).includes(secret) || Buffer.from(template.plan).includes(secret));
    t.end();
  });
}

/** exec --process in a container of the config; the document as engines write it. */
function processCase(name: string) {
  const config = JSON.stringify(golden(name));
  const { spec, path } = read(config, BUNDLE);
  const record = buildRecord({
    id: 'one',
    created: '2020-01-02T03:04:05Z',
    bundle: path,
    config: spec,
    systemd: false,
  });
  const container = { spec, record, ...plannedBy(compile(read(config, BUNDLE)).lists) };
  const compileProcess = (cgroups: readonly CgroupPlace[], text: string, document: SourceDocument) => {
    const state = JSON.parse(text);
    const other = validateConfig(readDocument(Buffer.from(JSON.stringify(state.config)), 'config.json')).value;
    const target = { ...container, spec: other, bundle: state.bundle, cgroups };
    return compileExec(validateProcess(document).value, target, facts, countingServices).plan;
  };
  const process = { ...golden(name).process, terminal: false, args: ['sh', '-c', 'exit 0'] };
  const bytes = Buffer.from(JSON.stringify(process));
  const plan = compileProcess(container.cgroups, record, readDocument(bytes, 'process.json'));
  const file = { path: '/run/process', bytes, terminal: false };
  return processSource(container, file, plan, compileProcess);
}

for (const name of ['docker-like', 'containerd-pod-container', 'podman-like']) {
  t.test(`for exec in ${name}, derive() gives what compileExec() does, whatever is in the slots`, (t) => {
    const source = processCase(name);
    const derived = derivedFrom(source);
    const { slots, values } = derived.pattern;
    for (const free of ['one', '2020-01-02T03:04:05Z', BUNDLE, '/run/process', 'exit 0'])
      t.ok(values.includes(free), `${free} is in a slot`);
    fc.assert(
      fc.property(fc.tuple(...slots.map((slot) => VALUES[slot.kind](slot))), (values) => {
        sameBytes(t, substitute(derived, values), source.compile(fillParts(source.parts, values)).plan);
      }),
      { numRuns: 25 },
    );
    t.end();
  });
}

t.test('derive() makes slots of the words of a unit that nothing depends on', (t) => {
  const slotsOf = (cgroupsPath: string) => {
    const { slots, values } = deriveFrom(JSON.stringify(onSystemd(cgroupsPath))).pattern;
    return values.filter((_, index) => slots[index]?.kind === 'word');
  };
  t.same(slotsOf('kubepods-besteffort-pod1_a.slice:cri-containerd:0123'), ['pod1_a', '0123']);
  t.same(slotsOf('machine.slice:libpod:0123'), ['0123'], 'a slice of one part is what it is');
  t.same(slotsOf('user-1000.slice:p:my-name'), [], 'a dash in the name could be part of a prefix');
  t.end();
});

t.test('derive() leaves annotations that the compiler reads as they are', (t) => {
  const read = { 'org.systemd.property.TasksMax': 'uint64 5', 'run.oci.keep_original_groups': 'yes, all' };
  const config = { ...onSystemd('::n'), annotations: { ...read, free: 'text' } };
  const { pattern } = deriveFrom(JSON.stringify(config));
  for (const value of Object.values(read)) t.ok(pattern.literals.join().includes(value));
  t.ok(pattern.values.includes('text'));
  t.end();
});

t.test('derive() takes a config without a template as it is', (t) => {
  const config = JSON.stringify({ ...golden('minimal'), annotations: { Zq9x: 'the sign of a marker' } });
  const { pattern } = deriveFrom(config);
  t.equal(pattern.slots.length, 0);
  t.equal(pattern.literals.join(), `head\n${BUNDLE}\n\n${config}`);
  t.end();
});

t.test('derive() refuses a config with warnings, which are to be given each time', (t) => {
  const config = JSON.stringify({ ...golden('minimal'), mounts: [{ destination: 'x/../y', type: 'tmpfs' }] });
  t.throws(() => deriveFrom(config), new NotCacheable('config.json has warnings'));
  t.end();
});

t.test('what a config holds twice is two slots, and what the compiler takes apart is none', (t) => {
  const config = { ...golden('docker-like'), hostname: 'same', domainname: 'same' };
  const source = sourceOf(JSON.stringify(config));
  const derived = derivedFrom(source);
  const values = derived.pattern.values.map((value, index) => (value === 'same' ? `name-${index}` : value));
  sameBytes(t, substitute(derived, values), compile(filled(source, values)));
  t.equal(new Set(values.filter((value) => value.startsWith('name-'))).size, 2);
  t.end();
});

t.test('fits() takes what JSON writes as it is, and normal paths', (t) => {
  const text = { kind: 'text', min: 1, max: 8 } as const;
  const path = { kind: 'path', min: 2, max: 4095 } as const;
  for (const good of ['a', 'a b', '~!#[]', '12345678']) t.ok(fits(text, good), good);
  for (const bad of ['', 'a"', 'a\\', 'a\n', 'ä', 'a\u0001', '\u007f', '123456789']) t.notOk(fits(text, bad), bad);
  for (const good of ['/a', '/a/b.c', '/.a/..b/...', '/proc/12/ns/net']) t.ok(fits(path, good), good);
  for (const bad of ['/', 'a', '/a/', '//a', '/a//b', '/.', '/..', '/a/../b', '/a/./b', '/a b', '/a:b'])
    t.notOk(fits(path, bad), bad);
  t.notOk(fits(path, `/${'x'.repeat(256)}`), 'a name longer than NAME_MAX');
  t.end();
});
