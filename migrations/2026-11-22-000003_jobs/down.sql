DROP TABLE workers;
DROP TABLE job_schedule;
DROP TABLE job_lanes;
DROP TABLE jobs;
