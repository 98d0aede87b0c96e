-- One row a student, written by the flow CalStuAvgScore.
CREATE TABLE stu_avg_score (
  stu_id    INT    NOT NULL,
  avg_score DOUBLE NOT NULL,
  PRIMARY KEY (stu_id)
);
