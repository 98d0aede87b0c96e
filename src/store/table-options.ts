/** Of every table of kisflow's own. */
export const tableOptions = 'ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4 COLLATE = utf8mb4_bin';
