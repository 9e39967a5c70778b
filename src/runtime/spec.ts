/** spec: writes a config.json to start from. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { TsrunError } from '../errors.js';
import { defaultSpec } from '../spec/default.js';
import { describeSystemError } from '../util/errno.js';
import { stringifyJson } from '../util/json-write.js';
import { quote } from '../util/quote.js';
import { hostFacts } from './runtime.js';

/** directory: absolute. Refuses to overwrite. */
export function writeSpec(directory: string, options: { readonly rootless: boolean }): void {
  const { cgroup, euid, egid } = hostFacts();
  const spec = defaultSpec({ rootless: options.rootless, cgroupNamespace: cgroup.layout === 'unified', euid, egid });
  try {
    writeFileSync(join(directory, 'config.json'), stringifyJson(spec, '\t'), { flag: 'wx', mode: 0o666 });
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') {
      throw new TsrunError('IO', 'File config.json exists. Remove it first', { cause: error });
    }
    throw new TsrunError('IO', `${quote(join(directory, 'config.json'))}: ${describeSystemError(error)}`, {
      cause: error,
    });
  }
}
