import { between, chooseWeighted, type PlannedTransaction, type Random } from './transaction.ts';

const insertSql = 'INSERT INTO school.student_score (stu_id, score_1, score_2, score_3) VALUES ?';
/** Another score between 0 and 100 for every row: each is a change. */
const correctSql = 'UPDATE school.student_score SET score_2 = (score_2 + ?) % 101 WHERE stu_id BETWEEN ? AND ?';

/** KisFlow's own two rows: they come first, and nothing changes them. Their averages are 90 and 76.66666666666667. */
export const firstStudents: PlannedTransaction = {
  statements: [
    {
      sql: insertSql,
      params: [
        [
          [101, 100, 90, 80],
          [102, 100, 70, 60],
        ],
      ],
    },
  ],
};

const firstId = 1001;

/** Plans what happens at the school: students come, scores are corrected, now and then for many at once. */
export class SchoolChanges {
  readonly #random: Random;
  #nextId = firstId;

  constructor(random: Random) {
    this.#random = random;
  }

  next(): PlannedTransaction {
    const kind = chooseWeighted(this.#random, [
      [50, 'enrol'],
      [38, 'correct'],
      [4, 'enrolMany'],
      [5, 'correctMany'],
      [3, 'rollBack'],
    ]);
    if (kind === 'enrolMany') return this.#enrol(between(this.#random, 500, 4000));
    if (kind === 'enrol' || this.#nextId === firstId) return this.#enrol(between(this.#random, 1, 3));
    if (kind === 'correctMany') return this.#correct(between(this.#random, 200, 2000));
    if (kind === 'rollBack') return { ...this.#correct(50), isRolledBack: true };
    return this.#correct(1);
  }

  #enrol(count: number): PlannedTransaction {
    const rows = Array.from({ length: count }, (_, index) => [this.#nextId + index, this.#score(), this.#score(), this.#score()]);
    this.#nextId += count;
    return { statements: [{ sql: insertSql, params: [rows] }] };
  }

  #correct(count: number): PlannedTransaction {
    const first = between(this.#random, firstId, this.#nextId - 1);
    return { statements: [{ sql: correctSql, params: [between(this.#random, 1, 100), first, first + count - 1] }] };
  }

  #score(): number {
    return between(this.#random, 0, 100);
  }
}
