-- Run once by the MySQL image, on an empty data directory.

-- What the source needs: the binlog, its position, and the tables' definitions.
CREATE USER 'kisflow_source'@'%' IDENTIFIED BY 'kisflow_source';
GRANT REPLICATION SLAVE, REPLICATION CLIENT, SELECT ON *.* TO 'kisflow_source'@'%';

-- What the store needs: its own schema, here on the same server.
CREATE DATABASE kisflow CHARACTER SET utf8mb4;
CREATE USER 'kisflow_store'@'%' IDENTIFIED BY 'kisflow_store';
GRANT SELECT, INSERT, UPDATE, DELETE, ALTER, CREATE, REFERENCES ON kisflow.* TO 'kisflow_store'@'%';
