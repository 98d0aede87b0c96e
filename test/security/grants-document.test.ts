import { expect, it } from 'vitest';
import { check } from '../../src/cli/check.ts';
import { runCommand } from '../cli/run-command.ts';
import { codeBlocks, filesIn, readPage, sections } from '../support/documents.ts';

const setUp = '## Set it beside your primary';

/** Nobody answers there, as before anything is set up. */
const env = {
  KISFLOW_SOURCE_URL: 'mysql://kisflow_source:change-me@127.0.0.1:1',
  KISFLOW_STORE_URL: 'mysql://kisflow_store:change-me@127.0.0.1:1/kisflow',
};

function grantsOf(text: string): string[] {
  return [...text.matchAll(/^(GRANT .*;)$/gm)].map(([line]) => line);
}

function sqlOf(page: string, heading: string): string {
  return codeBlocks(sections(page, [heading]))
    .filter(({ language }) => language === 'sql')
    .map(({ code }) => code)
    .join('\n');
}

it("the README's GRANTs are what check --grants prints for its flow", async () => {
  const files = filesIn('README.md', [setUp, '## Write a flow']);
  const { code, out } = await runCommand(check, { files, env, options: { grants: true } });
  expect(code).toBe(0);
  expect(out).toMatch(
    /^-- not examined: SOURCE_UNREACHABLE: the source server[^]*^-- not examined: STORE_UNREACHABLE: the server/m,
  );
  expect(grantsOf(out).length).toBe(3);
  expect(grantsOf(sqlOf('README.md', setUp))).toEqual(grantsOf(out));
  const [source, , store] = grantsOf(out);
  const operations = grantsOf(sqlOf('docs/operations.md', '## Accounts'));
  expect([operations[0], operations.at(-1)]).toEqual([source, store]);
});

it('what else check --grants says is comments: all of it is a script of SQL', async () => {
  const files = filesIn('README.md', [setUp, '## Write a flow']);
  const { out } = await runCommand(check, {
    files,
    env: { ...env, KISFLOW_STORE_URL: `${env.KISFLOW_STORE_URL}?ssl=verify` },
    options: { grants: true },
  });
  const rest = out.split('\n').filter((line) => line !== '' && !/^(-- .*|(GRANT|CREATE USER) .*;)$/.test(line));
  expect(rest).toEqual([]);
  expect(out).toMatch(/CREATE USER IF NOT EXISTS 'kisflow_store'@'%' IDENTIFIED BY '<the password of the url>' REQUIRE SSL;/);
  expect(readPage('docs/security.md')).toContain('kisflow check --grants');
});
