"""What a path does to tasks: requests of lm-evaluation-harness, from a request to tables with the intact model beside each path."""
