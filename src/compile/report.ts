/**
 * What a compilation finds wrong or worth a line: every area adds its issues, one SpecError carries them all.
 *
 * Pure, but for the arrays it fills.
 */
import { SpecError, type SpecIssue, type SpecIssueCode } from '../errors.js';
import { type Details, issue } from '../spec/issues.js';
import type { JsonPointer } from '../util/pointer.js';

export interface Report {
  readonly issues: SpecIssue[];
  readonly warnings: SpecIssue[];
}

export function refuse(
  report: Report,
  code: SpecIssueCode,
  path: JsonPointer,
  message: string,
  details?: Details,
): void {
  report.issues.push(issue(code, path, message, details));
}

export function warn(report: Report, code: SpecIssueCode, path: JsonPointer, message: string, details?: Details): void {
  report.warnings.push(issue(code, path, message, details));
}

/** Byte 0x01 begins a slot of the plan, so a path of the config that the executor fills slots into must not hold it. */
export function refuseSlots(report: Report, path: JsonPointer, text: string): void {
  if (!text.includes('\u0001')) return;
  refuse(report, 'CONTROL_CHARACTER', path, 'must not contain the control character 0x01', { value: text });
}

/** The result of an area that throws its SpecError, which joins the others; undefined when it threw. */
export function collect<T>(report: Report, area: () => T): T | undefined {
  try {
    return area();
  } catch (error) {
    if (!(error instanceof SpecError)) throw error;
    report.issues.push(...error.issues);
    return undefined;
  }
}
