/** features.md and features-linux.md. The command `features` is no operation of the specification, so who has none is skipped. */
import { must, same } from '../harness/check.js';
import { CAPABILITY_NUMBERS } from '../harness/host.js';
import { type Lab, parseObject, succeeded } from '../harness/lab.js';
import { type Answer, type Json, type Script, Skipped, table } from '../harness/model.js';
import { once } from '../harness/once.js';
import type { Area } from '../harness/run.js';

const requirements = [
  ...table('features.md', [
    [
      'features.versions',
      'MUST',
      'specification-version',
      'ociVersionMin and ociVersionMax are there, versions, and in order',
    ],
    ['features.accepts', 'MUST', 'specification-version', 'both are accepted as ociVersion of a configuration'],
    [
      'features.properties',
      'MUST NOT',
      'specification-version',
      'nothing is in the document that the specification does not define',
    ],
    ['features.hooks', 'MUST', 'hooks', 'hooks are names of hooks, each of which the runtime runs'],
    ['features.mount-options', 'MUST', 'mount-options', 'every option that is listed is recognized in a mount'],
    ['features.mount-options-data', 'SHOULD NOT', 'mount-options', 'options of single file systems are not listed'],
    ['features.annotations', 'MUST', 'annotations', 'annotations map texts to texts'],
  ]),
  ...table('features-linux.md', [
    ['features.namespaces', 'MUST', 'namespaces', 'the namespaces that are listed are types of the configuration'],
    ['features.capabilities', 'MUST', 'capabilities', 'the capabilities that are listed are those of capabilities(7)'],
    [
      'features.seccomp',
      'MUST',
      'seccomp',
      'actions, operators, architectures and flags are words of the configuration, and accepted',
    ],
    ['features.booleans', 'MUST', 'cgroup', 'what says whether something is supported is true or false'],
  ]),
];

function features(lab: Lab): Promise<Answer> {
  return once(lab, 'features', async () => {
    const { status, stdout } = await lab.run('features');
    if (status !== 0) throw new Skipped('the runtime has no command "features"');
    return parseObject(stdout);
  });
}

const script = (
  id: string,
  requirement: string,
  check: (document: Answer, lab: Lab) => Promise<void> | void,
): Script<Lab> => ({
  ...{ id: `features.${id}`, requirement: `features.${requirement}` },
  run: async (lab) => check(await features(lab), lab),
});

const SEMVER = /^(\d+)\.(\d+)\.(\d+)([-+][0-9A-Za-z.+-]+)?$/;
const PROPERTIES = [
  'ociVersionMin',
  'ociVersionMax',
  'hooks',
  'mountOptions',
  'linux',
  'annotations',
  'potentiallyUnsafeConfigAnnotations',
];
const HOOKS = ['prestart', 'createRuntime', 'createContainer', 'startContainer', 'poststart', 'poststop'];
const TYPES = ['pid', 'network', 'mount', 'ipc', 'uts', 'user', 'cgroup', 'time'];
/** These need more than a new tmpfs. */
const NOT_ALONE = ['bind', 'rbind', 'remount', 'idmap', 'ridmap'];

/** A list at a path of the document; absent or null means that nothing is known: features.md. */
function list(document: Answer, ...path: readonly string[]): readonly string[] {
  let at: Json | undefined = document as { [name: string]: Json };
  for (const step of path) at = typeof at === 'object' && at !== null && !Array.isArray(at) ? at[step] : undefined;
  if (at === undefined || at === null) throw new Skipped(`the runtime does not say ${path.join('.')}`);
  must(Array.isArray(at) && at.every((each) => typeof each === 'string'), `${path.join('.')} is no list of texts`);
  return at as string[];
}

function within(words: readonly string[], known: readonly string[] | RegExp, what: string): void {
  const fits = (word: string): boolean => (Array.isArray(known) ? known.includes(word) : (known as RegExp).test(word));
  same(
    words.filter((word) => !fits(word)),
    [],
    `${what} that do not exist`,
  );
  must(words.length > 0, `no ${what} at all`);
}

async function accepted(lab: Lab, patch: { readonly [pointer: string]: unknown }): Promise<void> {
  await lab.created(['self'], patch);
  succeeded(await lab.start(), 'start');
  same((await lab.answered())[0]?.['pid'], 1, 'the pid of the program');
}

const general: readonly Script<Lab>[] = [
  ...['ociVersionMin', 'ociVersionMax'].flatMap((name) => [
    script(`${name}.format`, 'versions', (document) =>
      must(SEMVER.test(String(document[name])), `${name} is ${document[name]}`),
    ),
    script(`${name}.accepted`, 'accepts', (document, lab) => accepted(lab, { '/ociVersion': document[name] })),
  ]),
  script('versions.order', 'versions', ({ ociVersionMin, ociVersionMax }) => {
    const [low, high] = [ociVersionMin, ociVersionMax].map((version) =>
      (SEMVER.exec(String(version)) ?? []).slice(1, 4).reduce((sum, part) => sum * 1000 + Number(part), 0),
    );
    must((low ?? 0) <= (high ?? 0), `${ociVersionMin} is above ${ociVersionMax}`);
  }),
  script('properties', 'properties', (document) =>
    same(
      Object.keys(document).filter((name) => !PROPERTIES.includes(name)),
      [],
      'properties that are not defined',
    ),
  ),
  script('hooks.names', 'hooks', (document) => within(list(document, 'hooks'), HOOKS, 'hooks')),
  script('hooks.accepted', 'hooks', (document, lab) =>
    accepted(
      lab,
      Object.fromEntries(
        list(document, 'hooks').map((name) => [
          `/hooks/${name}`,
          [{ path: name === 'startContainer' ? '/probe' : lab.bench.probe, args: ['probe', 'exit|0'] }],
        ]),
      ),
    ),
  ),
  script('mount-options.accepted', 'mount-options', (document, lab) => {
    const options = list(document, 'mountOptions').filter((option) => !NOT_ALONE.includes(option));
    const mounts = options.map((option) => ({
      destination: `/mnt/${option}`,
      type: 'tmpfs',
      source: 'tmpfs',
      options: [option],
    }));
    return accepted(lab, Object.fromEntries(mounts.map((mount, index) => [`/mounts/${100 + index}`, mount])));
  }),
  ...['bind', 'rbind', 'ro', 'nosuid', 'rprivate', 'remount'].map((option) =>
    script(`mount-options.${option}`, 'mount-options', (document) =>
      must(
        list(document, 'mountOptions').includes(option),
        `${option} is not listed, though every runtime must have it`,
      ),
    ),
  ),
  script('mount-options.general', 'mount-options-data', (document) =>
    same(
      list(document, 'mountOptions').filter((option) =>
        /=|^(size|mode|uid|gid|nr_inodes|newinstance|ptmxmode|lowerdir)$/.test(option),
      ),
      [],
      'options of file systems',
    ),
  ),
  script('annotations', 'annotations', ({ annotations }) => {
    if (annotations === undefined || annotations === null) throw new Skipped('the runtime does not say annotations');
    must(
      Object.values(annotations).every((value) => typeof value === 'string'),
      'an annotation is no text',
    );
  }),
];

const linux: readonly Script<Lab>[] = [
  script('namespaces.names', 'namespaces', (document) =>
    within(list(document, 'linux', 'namespaces'), TYPES, 'namespaces'),
  ),
  script('capabilities.names', 'capabilities', (document) =>
    within(list(document, 'linux', 'capabilities'), CAPABILITY_NUMBERS, 'capabilities'),
  ),
  script('capabilities.all', 'capabilities', (document) => {
    const listed = list(document, 'linux', 'capabilities');
    same(
      ['CAP_CHOWN', 'CAP_SYS_ADMIN', 'CAP_AUDIT_READ'].filter((name) => !listed.includes(name)),
      [],
      'capabilities that are missing',
    );
  }),
  script('seccomp.actions', 'seccomp', (document) =>
    within(
      list(document, 'linux', 'seccomp', 'actions'),
      /^SCMP_ACT_(KILL|KILL_PROCESS|KILL_THREAD|TRAP|ERRNO|TRACE|ALLOW|LOG|NOTIFY)$/,
      'actions',
    ),
  ),
  script('seccomp.operators', 'seccomp', (document) =>
    within(list(document, 'linux', 'seccomp', 'operators'), /^SCMP_CMP_(NE|LT|LE|EQ|GE|GT|MASKED_EQ)$/, 'operators'),
  ),
  script('seccomp.architectures', 'seccomp', (document) =>
    within(list(document, 'linux', 'seccomp', 'archs'), /^SCMP_ARCH_[A-Z0-9_]+$/, 'architectures'),
  ),
  script('seccomp.architectures-accepted', 'seccomp', (document, lab) =>
    accepted(lab, {
      '/linux/seccomp': {
        defaultAction: 'SCMP_ACT_ALLOW',
        architectures: nativeOnly(list(document, 'linux', 'seccomp', 'archs')),
        syscalls: [{ names: ['getcwd'], action: 'SCMP_ACT_ALLOW' }],
      },
    }),
  ),
  script('seccomp.known-flags', 'seccomp', (document) =>
    within(
      list(document, 'linux', 'seccomp', 'knownFlags'),
      /^SECCOMP_FILTER_FLAG_(TSYNC|LOG|SPEC_ALLOW|WAIT_KILLABLE_RECV)$/,
      'flags',
    ),
  ),
  script('seccomp.supported-flags', 'seccomp', (document) => {
    const known = list(document, 'linux', 'seccomp', 'knownFlags');
    same(
      list(document, 'linux', 'seccomp', 'supportedFlags').filter((flag) => !known.includes(flag)),
      [],
      'flags that are supported and not known',
    );
  }),
  script('booleans', 'booleans', (document) => {
    const { cgroup = {}, apparmor = {}, selinux = {} } = (document['linux'] ?? {}) as { [name: string]: object };
    const all = [cgroup, apparmor, selinux].flatMap((part) => Object.entries(part));
    same(
      all.filter(([, value]) => typeof value !== 'boolean'),
      [],
      'values that are neither true nor false',
    );
    must(all.length > 0, 'the runtime says nothing of cgroup, apparmor and selinux');
  }),
];

/** Architectures of one byte order go into one filter. */
function nativeOnly(architectures: readonly string[]): readonly string[] {
  return architectures.filter((name) => !/(MIPS(64)?(N32)?|PPC|PPC64|S390X?|PARISC(64)?|M68K|SHEB)$/.test(name));
}

export const featuresArea: Area = { name: 'features', requirements, scripts: [...general, ...linux] };
