create index courses_of_instructor on courses (instructor_id, id);
