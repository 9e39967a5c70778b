/**
 * Runs the cases that each mutant is to be caught by, up to the first that does, some mutants at a time, and says which were
 * not caught: no case failed that names the broken requirement. A suite that lets a mutant live has a hole.
 */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Result } from '../harness/model.js';
import { ALL_CASES, collect, type SuiteOptions } from '../main.js';
import { MUTANTS } from './index.js';
import type { Mutant } from './mutant.js';

export interface MutantResult {
  readonly name: string;
  readonly breaks: string;
  /** The case that caught it. */
  readonly caught: string | undefined;
  readonly detail: string;
}

export interface MutantOptions extends Omit<SuiteOptions, 'format' | 'runtime'> {
  /** A runtime that passes the cases. */
  readonly runtime: string;
  /** The bundle of wrapper.ts. */
  readonly wrapper: string;
  readonly onResult?: (result: MutantResult) => void;
}

/** `names` chooses; all without it. */
export async function runMutants(options: MutantOptions, names: readonly string[] = []): Promise<MutantResult[]> {
  const directory = mkdtempSync(join(tmpdir(), 'mutants-'));
  const chosen = MUTANTS.filter(({ name }) => names.length === 0 || names.includes(name));
  const results: MutantResult[] = [];
  try {
    const queue = [...chosen];
    const worker = async (): Promise<void> => {
      for (let mutant = queue.shift(); mutant !== undefined; mutant = queue.shift()) {
        const result = await runMutant(directory, mutant, options);
        options.onResult?.(result);
        results.push(result);
      }
    };
    await Promise.all(Array.from({ length: Number(options.jobs) }, worker));
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
  return results;
}

const quote = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

/** Only what names the broken requirement can catch it. */
function casesFor({ cases, breaks }: Mutant): string[] {
  const named = ALL_CASES.filter(({ requirement }) => requirement === breaks).map(({ id }) => id);
  return named.filter((id) => cases.some((part) => id.includes(part)));
}

async function runMutant(directory: string, mutant: Mutant, options: MutantOptions): Promise<MutantResult> {
  const path = join(directory, mutant.name);
  const command = [process.execPath, options.wrapper, mutant.name, options.runtime].map(quote).join(' ');
  writeFileSync(path, `#!/bin/sh\nexec ${command} "$@"\n`);
  chmodSync(path, 0o755);
  const catches = ({ status, requirement }: Result): boolean => status === 'failed' && requirement === mutant.breaks;
  const results = await collect({ ...options, runtime: path, filter: casesFor(mutant), jobs: '1' }, catches);
  const failed = results.filter(({ status }) => status === 'failed');
  const caught = failed.find(catches);
  const { name, breaks } = mutant;
  const ran = results.filter(({ status }) => status !== 'skipped').length;
  return {
    name,
    breaks,
    caught: caught?.id,
    detail: caught?.detail ?? `${ran} cases ran, ${failed.length} failed for something else`,
  };
}
