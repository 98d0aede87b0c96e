/** Which of the two kinds of server wrote a binlog. */
export type Flavour = 'mysql' | 'mariadb';
