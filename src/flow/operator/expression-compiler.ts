import { serialize, type ASTNode } from '@marcbachmann/cel-js';
import { Decimal } from './decimal.ts';
import type { Fields } from './field.ts';
import { arithmetic, comparison, negation, type Arithmetic, type Comparison } from './expression-binary.ts';
import { functionNames, functions, type ExpressionFunction } from './expression-functions.ts';
import { unknownName, type ExpressionProblem } from './problem.ts';
import { anyOf, call, choice, constant, fieldTerm, firstOf, logical, not } from './expression-terms.ts';
import { commonType, convert, typeWords, type Term } from './term.ts';

/** Turns a parsed expression into one closure, and finds all that is wrong with its names and types. */
export class ExpressionCompiler {
  readonly problems: ExpressionProblem[] = [];
  readonly #fields: Fields;

  constructor(fields: Fields) {
    this.#fields = fields;
  }

  /** Never throws: where something is wrong, a problem is noted and the term is of any type. */
  compile(node: ASTNode): Term {
    switch (node.op) {
      case 'value':
        return this.#literal(node.args, node.input.slice(node.range.start, node.range.end));
      case 'id':
        return this.#field(node.args);
      case '!_':
        return not(this.#as(node.args, 'bool'));
      case '-_':
        return this.#negation(node.args);
      case '&&':
      case '||':
        return logical(node.op, this.#as(node.args[0], 'bool'), this.#as(node.args[1], 'bool'));
      case '?:':
        return this.#choice(node.args);
      case 'in':
        return this.#membership(node.args);
      case 'call':
        return this.#call(node.args[0], node.args[1]);
      case 'rcall':
        return this.#call(node.args[0], [node.args[1], ...node.args[2]]);
      case '==':
      case '!=':
      case '<':
      case '<=':
      case '>':
      case '>=':
        return this.#compare(node.op, ...node.args);
      case '+':
      case '-':
      case '*':
      case '/':
      case '%':
        return this.#arithmetic(node.op, node, node.args);
      case '.':
      case '.?':
      case '[]':
      case '[?]':
      case 'list':
      case 'map':
      default:
        return this.#problem(`"${sourceOf(node)}" is nothing that expressions here have`, 'docs/operators.md lists what there is');
    }
  }

  #literal(value: unknown, text: string): Term {
    if (value === null) return constant('null', null);
    if (typeof value === 'string') return constant('text', value);
    if (typeof value === 'boolean') return constant('bool', value);
    if (typeof value === 'bigint') {
      return constant('number', Number.isSafeInteger(Number(value)) ? Number(value) : new Decimal(value, 0), 0);
    }
    if (typeof value === 'number') {
      // As in SQL: 0.19 is exactly that, and 1.9e-1 is a floating-point number.
      const exact = /e/i.test(text) ? undefined : Decimal.parse(text);
      return exact === undefined ? constant('double', value) : constant('number', exact, exact.scale);
    }
    return this.#problem(`${text} is a literal that expressions here do not have`, 'write a number, a text, true, false or null');
  }

  #field(name: string): Term {
    const field = this.#fields.known.get(name);
    if (this.#fields.isComplete && field === undefined) {
      this.problems.push(unknownName('field', name, this.#fields.known.keys()));
      return anything;
    }
    return fieldTerm(name, field);
  }

  #choice([condition, then, otherwise]: readonly [ASTNode, ASTNode, ASTNode]): Term {
    const test = this.#as(condition, 'bool');
    const [one, other] = [this.compile(then), this.compile(otherwise)];
    const type = commonType(one.type, other.type);
    if (type === undefined) return this.#mismatch(`the two sides of ? : are ${typeWords[one.type]} and ${typeWords[other.type]}`);
    return choice(test, [one, other], {
      type,
      runs: [convert(one, type, sourceOf(then)), convert(other, type, sourceOf(otherwise))],
    });
  }

  #membership([element, list]: readonly [ASTNode, ASTNode]): Term {
    if (list.op !== 'list') return this.#problem('what follows `in` is no list', 'write x in ["a", "b"]');
    return anyOf(list.args.map((item) => this.#compare('==', element, item)));
  }

  #arithmetic(op: Arithmetic, node: ASTNode, [left, right]: readonly [ASTNode, ASTNode]): Term {
    const [one, other] = [this.compile(left), this.compile(right)];
    if (one === anything || other === anything) return anything;
    const type = this.#operandType(node, one, other);
    if (type === undefined) return anything;
    const isNumeric = type === 'number' || type === 'double';
    if (!isNumeric && !(type === 'text' && op === '+')) {
      return this.#mismatch(`"${sourceOf(node)}" computes with what is ${typeWords[type]}`);
    }
    const operands = { left: convert(one, type, sourceOf(left)), right: convert(other, type, sourceOf(right)) };
    return {
      type,
      isNullable: one.isNullable || other.isNullable,
      scale: scaleOf(op, one, other),
      run: arithmetic(op, type, { ...operands, text: sourceOf(node) }),
    };
  }

  #compare(op: Comparison, left: ASTNode, right: ASTNode): Term {
    const [one, other] = [this.compile(left), this.compile(right)];
    if (one === anything || other === anything) return anything;
    const text = `${sourceOf(left)} ${op} ${sourceOf(right)}`;
    if ((op === '==' || op === '!=') && (one.type === 'null' || other.type === 'null')) {
      const { run } = one.type === 'null' ? other : one;
      return { type: 'bool', isNullable: false, run: (row) => (run(row) === null) === (op === '==') };
    }
    const type = commonType(one.type, other.type);
    if (type === 'any') return this.#ambiguous(text);
    if (type === undefined || type === 'binary' || (type === 'bool' && op !== '==' && op !== '!=')) {
      return this.#mismatch(`"${text}" compares ${typeWords[one.type]} with ${typeWords[other.type]}`);
    }
    const [first, second] = [convert(one, type, sourceOf(left)), convert(other, type, sourceOf(right))];
    return { type: 'bool', isNullable: one.isNullable || other.isNullable, run: comparison(op, type, first, second) };
  }

  #call(name: string, args: readonly ASTNode[]): Term {
    const known = functions.get(name);
    if (known === undefined) {
      this.problems.push(unknownName('function', name, functionNames));
      return anything;
    }
    if (known === 'coalesce') return this.#coalesce(args);
    if (args.length < known.params.length - (known.optional ?? 0) || args.length > known.params.length) {
      return this.#problem(`${name} is given ${args.length} values`, `write ${known.usage}`);
    }
    return this.#apply(known, args);
  }

  #apply(known: ExpressionFunction, args: readonly ASTNode[]): Term {
    return call(
      known,
      args.map((arg, index) => this.#as(arg, known.params[index] ?? 'any')),
    );
  }

  #coalesce(args: readonly ASTNode[]): Term {
    const terms = args.map((arg) => this.compile(arg));
    const type = terms.reduce<Term['type'] | undefined>(
      (common, term) => (common === undefined ? undefined : commonType(common, term.type)),
      'null',
    );
    if (type === undefined) return this.#mismatch('the values of coalesce are of several types');
    return firstOf(terms, { type, runs: terms.map((term, index) => convert(term, type, argText(args, index))) });
  }

  #operandType(node: ASTNode, one: Term, other: Term): Term['type'] | undefined {
    const type = commonType(one.type, other.type);
    if (type === undefined) {
      this.#mismatch(`"${sourceOf(node)}" puts ${typeWords[one.type]} and ${typeWords[other.type]} together`);
      return undefined;
    }
    if (type !== 'any' && type !== 'null') return type;
    if (node.op !== '+' || type === 'null') return 'number';
    this.#ambiguous(sourceOf(node));
    return undefined;
  }

  #negation(node: ASTNode): Term {
    const term = this.compile(node);
    if (term === anything) return term;
    return negation(term.type === 'double' ? term : this.#as(node, 'number'));
  }

  /** The node as a term of the type; a problem where it can be none. */
  #as(node: ASTNode, type: Term['type']): Term {
    const term = this.compile(node);
    if (term === anything) return term;
    const isFitting = type === 'any' || commonType(term.type, type) === type;
    if (!isFitting) {
      return this.#mismatch(`"${sourceOf(node)}" is ${typeWords[term.type]}, where ${typeWords[type]} is wanted`);
    }
    return type === 'any' ? term : { ...term, type, run: convert(term, type, sourceOf(node)) };
  }

  #mismatch(message: string): Term {
    return this.#problem(message, 'make both sides one type: decimal(x), double(x) and string(x) convert');
  }

  #ambiguous(text: string): Term {
    const remedy = 'grant SELECT on the source tables, name the types in with.types, or write decimal(x) or string(x)';
    this.problems.push({ message: `the types in "${text}" are not known: it may mean numbers or texts`, remedy, needsTypes: true });
    return anything;
  }

  #problem(message: string, remedy: string): Term {
    this.problems.push({ message, remedy });
    return anything;
  }
}

/** What stands for a term that is wrong. */
const anything: Term = { type: 'any', isNullable: true, run: () => null };

function scaleOf(op: string, one: Term, other: Term): number | undefined {
  if (op === '/' || one.scale === undefined || other.scale === undefined) return undefined;
  return op === '*' ? one.scale + other.scale : Math.max(one.scale, other.scale);
}

function argText(args: readonly ASTNode[], index: number): string {
  const arg = args[index];
  return arg === undefined ? '' : sourceOf(arg);
}

/** The text of a part of an expression, as cel-js writes it: the same however it was spaced. */
export function sourceOf(node: ASTNode): string {
  return serialize(node);
}
