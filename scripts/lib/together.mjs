// Runs many small test files in a few processes: starting Node, tap and source maps takes longer than most of the files do.
// A marker before each file, a module that prints a TAP comment, tells whose results follow. For tests that leave nothing
// behind in their process; the others are run one by one (testing.mjs).
import { captureAsync, cleanEnv, ROOT } from './run.mjs';
import { bundleTests, judge, readTaps } from './testing.mjs';

const MARKER = 'begins: ';

/** Runs the files in `jobs` processes. Calls onFile with { file, passed, failures: [], skips: [], seconds }. */
export async function runTogether(files, { jobs = 2, timeout = 120, onFile = () => {} } = {}) {
  const groups = Array.from({ length: jobs }, (_, job) => files.filter((_, index) => index % jobs === job));
  const bundles = await bundleTests(
    groups.map((_, job) => `group-${job}.ts`),
    [entries(groups)],
  );
  await Promise.all([...bundles.values()].map((bundle, job) => runGroup(groups[job], bundle, timeout, onFile)));
}

/** Modules that are no files: the entry of each group, and the marker before each file. */
function entries(groups) {
  const own = (text) => ({ contents: text, resolveDir: ROOT, loader: 'js' });
  const imports = (files) => files.flatMap((file) => [`import 'begin:${file}';`, `import './${file}';`]).join('\n');
  return {
    name: 'groups',
    setup(build) {
      build.onResolve({ filter: /^begin:/ }, ({ path }) => ({ path, namespace: 'begin' }));
      build.onLoad({ filter: /.*/, namespace: 'begin' }, ({ path }) =>
        own(`import t from 'tap'; t.comment(${JSON.stringify(MARKER + path.slice('begin:'.length))});`),
      );
      build.onResolve({ filter: /^group-\d+\.ts$/ }, ({ path }) => ({ path, namespace: 'group' }));
      build.onLoad({ filter: /.*/, namespace: 'group' }, ({ path }) => own(imports(groups[/\d+/.exec(path)[0]])));
    },
  };
}

async function runGroup(files, bundle, timeout, onFile) {
  const seconds = timeout * files.length;
  const env = cleanEnv({ TAP_TIMEOUT: String(seconds) });
  const child = await captureAsync(process.execPath, ['--enable-source-maps', bundle], {
    timeout: seconds * 1000,
    env,
  });
  const results = await readTaps(child.output, MARKER);
  // What ended the process, if no test did, is the fault of the file it was at.
  const last = results.at(-1);
  if (last !== undefined && results.every(({ failures }) => failures.length === 0)) judge(last, child, seconds);
  for (const file of files) onFile(results.find((one) => one.file === file) ?? notReached(file, child));
}

function notReached(file, { output }) {
  const detail = output.split('\n').slice(-20).join('\n');
  return { file, passed: 0, failures: [{ name: `${file}: was not reached`, detail }], skips: [], seconds: 0 };
}
