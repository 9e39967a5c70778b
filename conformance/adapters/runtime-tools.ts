/**
 * OCI runtime-tools: compiled validation programs, each of which prints TAP. They call $RUNTIME, and unpack the root file
 * system and copy the program runtimetest that lie in the working directory.
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { type Adapter, type AdapterOptions, absent, runProgram } from './adapter.js';
import { resultsOf } from './tap.js';

function programs({ place }: AdapterOptions): string[] {
  return readdirSync(join(place, 'validation'), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.t'))
    .sort();
}

export const runtimeTools: Adapter = {
  place: 'the directory of a clone after "make runtimetest validation-executables"',
  missing: (options) =>
    absent([join(options.place, 'runtimetest'), join(options.place, 'validation')], 'make runtimetest') ??
    (programs(options).length === 0 ? 'no program validation/*/*.t: make validation-executables' : undefined),
  async *run(options) {
    const { place, runtime, dir, wants, timeout } = options;
    for (const path of programs(options)) {
      const name = path.replace(/^.*\/|\.t$/g, '');
      if (!wants(name)) continue;
      const env = { ...process.env, RUNTIME: runtime, TMPDIR: dir };
      yield* resultsOf(
        name,
        await runProgram([join(place, 'validation', path)], { cwd: place, env, seconds: timeout }),
      );
    }
  },
};
