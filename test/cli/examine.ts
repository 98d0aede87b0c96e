import { check } from '../../src/cli/check.ts';
import type { Finding } from '../../src/cli/check/finding.ts';
import { runCommand, type CommandRun } from './run-command.ts';

export interface Examination {
  readonly code: number;
  readonly findings: readonly Finding[];
  /** `CODE subject` of every finding of this severity, sorted. */
  of(severity: Finding['severity']): readonly string[];
  /** The first finding with this code; throws without one. */
  find(code: Finding['code']): Finding;
}

/** Runs `check --json` and gives its findings. */
export async function examine(run: Omit<CommandRun, 'json'>): Promise<Examination> {
  const { code, out } = await runCommand(check, { ...run, json: true });
  const { findings }: { findings: readonly Finding[] } = JSON.parse(out);
  return {
    code,
    findings,
    of: (severity) =>
      findings
        .filter((finding) => finding.severity === severity)
        .map((finding) => `${finding.code} ${finding.subject}`)
        .sort(),
    find(wanted) {
      const found = findings.find((finding) => finding.code === wanted);
      if (found === undefined) throw new Error(`no ${wanted} among ${findings.map((finding) => finding.code).join(', ')}`);
      return found;
    },
  };
}

/** The statements of the errors' and warnings' remedies, as somebody would copy them. */
export function statementsOf(examination: Examination): readonly string[] {
  return examination.findings
    .filter(({ severity }) => severity !== 'info')
    .flatMap(({ remedy }) => remedy.split(/(?<=;)[^\n]*\n|\n(?=--)/))
    .map((statement) => statement.replace(/^--.*$/gm, '').trim())
    .filter((statement) => /^[A-Z]+ .*;/s.test(statement));
}
